/** Puts the region editor into the Regions node of ComfyUI, in both of its node renderers. The text widget of the node keeps the value. */
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { createEditor } from "./regions/editor.mjs";

const NODE = "Concord_Regions";
const SIZE = [420, 680];

/** Calls `then` after what an object's own `name` does. */
function after(object, name, then) {
  const before = object[name];
  object[name] = function (...values) {
    const made = before?.apply(this, values);
    then(...values);
    return made;
  };
}

/** In the classic renderer the editor lies above the graph: the wheel zooms it, and the middle button drags it, from there, too. */
function passOn(element) {
  const classic = () => element.closest(".dom-widget");
  const pass = (name, does, wanted) => element.addEventListener(name, (event) => classic() && wanted(event) && app.canvas[does](event));
  pass("wheel", "processMouseWheel", (event) => event.target.tagName !== "TEXTAREA");
  pass("pointerdown", "processMouseDown", (event) => event.button === 1);
  pass("pointermove", "processMouseMove", (event) => (event.buttons & 4) === 4);
  pass("pointerup", "processMouseUp", (event) => event.button === 1);
}

/** The picture that the node draws on: of a Load Image node at once, of others from the node's last run. */
function background(node, ran) {
  const slot = node.findInputSlot("image");
  const origin = slot < 0 ? null : node.getInputNode(slot);
  if (!origin) return "";
  const chosen = origin.comfyClass === "LoadImage" && origin.widgets?.find((widget) => widget.name === "image")?.value;
  const cut = chosen ? chosen.lastIndexOf("/") : -1;
  const file = chosen ? { filename: chosen.slice(cut + 1), subfolder: chosen.slice(0, Math.max(cut, 0)), type: "input" } : ran;
  return file ? api.apiURL(`/view?${new URLSearchParams(file)}`) : "";
}

app.registerExtension({
  name: "Concord.Regions",

  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    const [text, width, height, boxWords] = ["regions", "width", "height", "box_words"].map((name) => node.widgets.find((widget) => widget.name === name));
    const linked = (name) => node.inputs?.some((input) => input.name === name && input.link != null) ?? false;
    let ran = null;
    const editor = createEditor({
      document,
      language: app.extensionManager?.setting?.get("Comfy.Locale") ?? navigator.language,
      changed(value) {
        text.value = value;
        node.graph?.setDirtyCanvas(true, true);
      },
    });
    const look = () => {
      editor.load(String(text.value ?? ""));
      editor.setAspect(width.value, height.value);
      editor.setLinked(linked("regions"));
      editor.setPicture(background(node, ran));
      boxWords.hidden = !linked("boxes"); // the classic renderer; Nodes 2.0 has it among the advanced inputs
    };
    text.hidden = true;
    text.options.hidden = true; // Nodes 2.0
    const options = { serialize: false, hideOnZoom: false, hideInPanel: true, getMinHeight: () => 410, onDraw: editor.refresh };
    const widget = node.addDOMWidget("region_editor", "concord_regions", editor.element, options);
    widget.serialize = false;
    for (const one of [text, width, height]) after(one, "callback", look);
    for (const event of ["onConfigure", "onConnectionsChange"]) after(node, event, () => queueMicrotask(look));
    after(node, "onExecuted", (output) => {
      ran = output?.background?.[0] ?? null;
      look();
    });
    after(node, "onRemoved", editor.close);
    editor.element.addEventListener("pointerenter", look);
    passOn(editor.element);
    node.setSize([Math.max(node.size[0], SIZE[0]), Math.max(node.size[1], SIZE[1])]);
    look();
  },
});
