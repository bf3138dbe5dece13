/**
 * The editor as one element: createEditor({document, language, changed}) -> {element, load, setAspect, setPicture, setLinked, refresh, close}.
 *
 * Knows a page, but nothing of ComfyUI. changed(text) is called whenever a hand has changed the regions.
 */
import * as edit from "./editing.mjs";
import * as hand from "./gestures.mjs";
import { build } from "./page.mjs";
import { at, blocked, present, TEXTS } from "./panel.mjs";
import { speaker } from "./words.mjs";

export function createEditor({ document, language, changed }) {
  const say = speaker(language);
  const page = build(document, say);
  const window = document.defaultView;
  const view = { state: edit.opened(""), aspect: 1, picture: null, linked: false, asText: false, tool: null, points: null, pointer: null };
  let address = ""; // of the picture that is wanted
  let held = null; // {id, gesture} while a pointer is down
  let waiting = 0;

  function become(state) {
    const text = state.text !== view.state.text;
    show(state);
    if (text) changed(state.text);
  }

  function show(state) {
    view.state = state;
    view.asText ||= Boolean(state.problem); // and stays so once the text is repaired: it may be in the middle of being typed
    refresh();
  }

  function refresh() {
    waiting ||= window.requestAnimationFrame(() => {
      waiting = 0;
      present(page, say, view);
    });
  }

  /** Leaves what has begun: a drag, a polygon, a tool. */
  function stop() {
    const gesture = held?.gesture;
    held = view.points = view.tool = view.pointer = null;
    become(gesture ? hand.cancel(view.state, gesture) : view.state);
  }

  function sketched({ state, points }) {
    view.points = points;
    if (!points) view.tool = view.pointer = null;
    become(state);
  }

  const on = (element, name, does) => element.addEventListener(name, does);

  on(page.surface, "pointerdown", (event) => {
    if (event.button !== 0 || held || blocked(view)) return;
    page.surface.focus({ preventScroll: true });
    page.surface.setPointerCapture(event.pointerId);
    const { point, reach } = at(page, view, event);
    if (view.tool === "polygon") {
      sketched(hand.corner(view.state, view.points ?? [], point, reach));
      return;
    }
    const { state, gesture } = hand.press(view.state, point, reach, view.tool === "box" || event.shiftKey);
    held = { id: event.pointerId, gesture };
    become(state);
  });

  on(page.surface, "pointermove", (event) => {
    const { point, reach } = at(page, view, event);
    if (view.points) {
      view.pointer = point;
      refresh();
    } else if (held?.id === event.pointerId) {
      const { state, gesture } = hand.drag(view.state, held.gesture, point);
      held.gesture = gesture;
      become(state);
    } else if (!held) {
      page.surface.style.cursor = blocked(view) ? "default" : view.tool ? "crosshair" : hand.cursor(view.state, point, reach);
    }
  });

  on(page.surface, "pointerup", (event) => {
    if (held?.id !== event.pointerId) return;
    const { gesture } = held;
    held = null;
    if (gesture.far) view.tool = null;
    become(hand.release(view.state, gesture));
  });

  on(page.surface, "pointercancel", stop);
  on(page.surface, "dblclick", (event) => event.stopPropagation());
  on(page.surface, "pointerenter", refresh);

  /** Whether the key is ours; ComfyUI would take it for the graph. */
  function keyed(event) {
    if (event.key === "Escape" && (held || view.points || view.tool)) stop();
    else if (held) return true; // a drag goes on
    else if (event.key === "Enter" && view.points) sketched(hand.closed(view.state, view.points));
    else if (event.key === "Enter" && view.state.chosen >= 0) page.fields.words.focus();
    else {
      const state = hand.keyed(view.state, event);
      if (state) become(state);
      return Boolean(state);
    }
    return true;
  }

  on(page.surface, "keydown", (event) => {
    if (blocked(view) || !keyed(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });

  const settle = () => held || become(edit.settled(view.state));
  on(page.surface, "keyup", settle);
  for (const key of TEXTS) on(page.fields[key], "input", () => become(edit.describe(view.state, key, page.fields[key].value, `${key} ${view.state.chosen}`)));
  for (const field of [page.fields.strength, page.fields.slider]) {
    on(field, "input", () => field.value !== "" && become(edit.describe(view.state, "strength", Number(field.value), `strength ${view.state.chosen}`)));
  }
  for (const field of Object.values(page.fields)) {
    on(field, "change", settle);
    on(field, "blur", refresh);
  }
  on(page.text, "input", () => become(edit.typed(view.state, page.text.value, "text")));
  on(page.text, "blur", settle);

  const does = {
    box: () => (view.tool = view.tool === "box" ? null : "box"),
    polygon: () => (view.tool = view.tool === "polygon" ? null : "polygon"),
    text: () => (view.asText = !view.asText || Boolean(view.state.problem)),
    undo: () => become(edit.undone(view.state)),
    redo: () => become(edit.redone(view.state)),
    duplicate: () => become(edit.duplicate(view.state)),
    remove: () => become(edit.remove(view.state)),
    back: () => become(edit.reorder(view.state, -1)),
    front: () => become(edit.reorder(view.state, 1)),
  };
  for (const [name, button] of Object.entries(page.buttons)) {
    on(button, "click", () => {
      view.points = view.pointer = null;
      does[name]();
      refresh();
    });
  }

  const resizing = new window.ResizeObserver(refresh);
  resizing.observe(page.stage);

  return {
    element: page.root,
    refresh,
    /** Shows a text that somebody else has set; what has begun on another text is left. */
    load(text) {
      if (text === view.state.text) return;
      held = view.points = view.pointer = null;
      show(edit.loaded(view.state, text));
    },
    setAspect(width, height) {
      view.aspect = width > 0 && height > 0 ? width / height : 1;
      refresh();
    },
    /** The address of the picture behind the regions; "" for none. */
    setPicture(wanted) {
      if (wanted === address) return;
      address = wanted;
      view.picture = null;
      refresh();
      if (!wanted) return;
      const loading = document.createElement("img");
      on(loading, "load", () => {
        if (address === wanted) view.picture = loading;
        refresh();
      });
      loading.src = wanted;
    },
    setLinked(linked) {
      view.linked = linked;
      refresh();
    },
    close() {
      resizing.disconnect();
      window.cancelAnimationFrame(waiting);
    },
  };
}
