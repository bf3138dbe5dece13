/**
 * The editor as one element: createEditor({document, language, changed}) -> {element, load, setAspect, setPicture, setLinked, refresh, close}.
 *
 * Knows a page, but nothing of ComfyUI. changed(text) is called whenever a hand has changed the regions.
 */
import { draw } from "./draw.mjs";
import * as edit from "./editing.mjs";
import { bounds } from "./geometry.mjs";
import * as hand from "./gestures.mjs";
import { build } from "./page.mjs";
import * as viewport from "./viewport.mjs";
import { complaint, speaker } from "./words.mjs";

const MARGIN = 18; // CSS pixels around the picture, for what lies off it
const TEXTS = ["words", "prompt", "negative"]; // that have a field
const REACH = { mouse: 8, pen: 10, touch: 20 }; // screen pixels

export function createEditor({ document, language, changed }) {
  const say = speaker(language);
  const page = build(document, say);
  const window = document.defaultView;
  let state = edit.opened("");
  let aspect = 1;
  let picture = null;
  let address = ""; // of the picture that is wanted
  let linked = false;
  let tool = null; // "box" or "polygon": what the next press begins
  let points = null; // of the polygon that is being drawn
  let pointer = null; // where it goes on
  let held = null; // {id, gesture} while a pointer is down
  let asText = false;
  let waiting = 0;

  const blocked = () => linked || Boolean(state.problem);
  const size = () => ({ width: page.stage.clientWidth, height: page.stage.clientHeight });
  const shown = () => viewport.frame(size().width, size().height, aspect, MARGIN);

  function become(made) {
    const text = made.text !== state.text;
    show(made);
    if (text) changed(state.text);
  }

  function show(made) {
    state = made;
    asText ||= Boolean(state.problem); // and stays so once the text is repaired: it may be in the middle of being typed
    refresh();
  }

  function refresh() {
    if (!waiting) waiting = window.requestAnimationFrame(render);
  }

  function render() {
    waiting = 0;
    const region = state.regions[state.chosen];
    const text = asText && !linked;
    page.stage.hidden = page.form.hidden = page.status.hidden = text;
    page.source.hidden = !text;
    page.problem.hidden = !state.problem;
    page.problem.textContent = state.problem ? complaint(say, state.problem) : "";
    if (document.activeElement !== page.text) page.text.value = state.text;
    page.text.readOnly = linked;
    page.form.disabled = !region || blocked();
    for (const name of TEXTS) fill(page.fields[name], region?.[name] ?? "");
    fill(page.fields.strength, region ? String(region.strength ?? 1) : "");
    fill(page.fields.slider, String(region?.strength ?? 1));
    page.status.textContent = spoken(region);
    const can = { undo: state.past.length, redo: state.future.length, duplicate: region, remove: region, back: state.chosen > 0, box: true, polygon: true, text: true,
      front: region && state.chosen < state.regions.length - 1 };
    for (const [name, button] of Object.entries(page.buttons)) {
      const always = name === "text" || ((name === "undo" || name === "redo") && !linked);
      button.disabled = !can[name] || (blocked() && !always) || (text && !always);
    }
    for (const name of ["box", "polygon"]) page.buttons[name].setAttribute("aria-pressed", String(tool === name));
    page.buttons.text.setAttribute("aria-pressed", String(text));
    if (!text) paint();
  }

  function fill(field, value) {
    if (field.value !== value && document.activeElement !== field) field.value = value;
  }

  function spoken(region) {
    if (linked) return say("linked");
    if (points) return say("sketch", { count: points.length });
    if (!region) return say(state.regions.length ? "nothing" : "none");
    const [x0, y0, x1, y1] = bounds(region);
    const [left, top, width, height] = [x0, y0, x1 - x0, y1 - y0].map((part) => Math.round(part * 100));
    return say("chosen", { number: state.chosen + 1, count: state.regions.length, name: region.words || region.prompt || say("unnamed"), left, top, width, height });
  }

  function paint() {
    const area = size();
    const density = viewport.density(page.stage.getBoundingClientRect(), area, window.devicePixelRatio);
    const [width, height] = [Math.round(area.width * density), Math.round(area.height * density)];
    if (!width || !height) return;
    if (page.canvas.width !== width || page.canvas.height !== height) Object.assign(page.canvas, { width, height });
    const css = window.getComputedStyle(page.root);
    const from = (name, otherwise) => css.getPropertyValue(name).trim() || otherwise;
    const theme = { ground: from("--comfy-menu-bg", "#353535"), paper: from("--comfy-input-bg", "#222"), line: from("--descrip-text", "#999") };
    draw(page.canvas.getContext("2d"), { state: linked ? edit.opened("") : state, shown: shown(), size: area, density, picture, points, pointer, theme });
  }

  function at(event) {
    const rect = page.stage.getBoundingClientRect();
    return { point: viewport.fraction(event, rect, size(), shown()), reach: viewport.reach(REACH[event.pointerType] ?? 8, rect, size(), shown()) };
  }

  const on = (element, name, does) => element.addEventListener(name, does);

  on(page.surface, "pointerdown", (event) => {
    if (event.button !== 0 || held || blocked()) return;
    page.surface.focus({ preventScroll: true });
    page.surface.setPointerCapture(event.pointerId);
    const { point, reach } = at(event);
    if (tool === "polygon") {
      const made = hand.corner(state, points ?? [], point, reach);
      points = made.points;
      if (!points) tool = null;
      become(made.state);
      return;
    }
    const made = hand.press(state, point, reach, tool === "box" || event.shiftKey);
    held = { id: event.pointerId, gesture: made.gesture };
    become(made.state);
  });

  on(page.surface, "pointermove", (event) => {
    const { point, reach } = at(event);
    if (points) {
      pointer = point;
      refresh();
    } else if (held?.id === event.pointerId) {
      const made = hand.drag(state, held.gesture, point);
      held.gesture = made.gesture;
      become(made.state);
    } else if (!held) {
      page.surface.style.cursor = blocked() ? "default" : tool ? "crosshair" : hand.cursor(state, point, reach);
    }
  });

  on(page.surface, "pointerup", (event) => {
    if (held?.id !== event.pointerId) return;
    const { gesture } = held;
    held = null;
    if (gesture.far) tool = null;
    become(hand.release(state, gesture));
  });

  on(page.surface, "pointercancel", stop);
  on(page.surface, "dblclick", (event) => event.stopPropagation());
  on(page.surface, "pointerenter", refresh);

  /** Leaves what has begun. -> whether there was anything. */
  function stop() {
    const [gesture, busy] = [held?.gesture, Boolean(held || points || tool)];
    held = points = tool = pointer = null;
    become(gesture ? hand.cancel(state, gesture) : state);
    return busy;
  }

  on(page.surface, "keydown", (event) => {
    if (blocked() && event.key !== "Tab") return;
    let made = null;
    if (event.key === "Escape" && (held || points || tool)) {
      stop();
      made = state;
    } else if (event.key === "Enter" && points) {
      made = hand.closed(state, points).state;
      points = tool = pointer = null;
    } else if (event.key === "Enter" && state.chosen >= 0) {
      page.fields.words.focus();
      made = state;
    } else if (!held && !(blocked() && event.key === "Tab")) {
      made = hand.keyed(state, event);
    }
    if (!made) return;
    event.preventDefault();
    event.stopPropagation();
    become(made);
  });
  on(page.surface, "keyup", () => become(edit.settled(state)));

  for (const key of TEXTS) on(page.fields[key], "input", () => become(edit.describe(state, key, page.fields[key].value, `${key} ${state.chosen}`)));
  for (const field of [page.fields.strength, page.fields.slider]) {
    on(field, "input", () => field.value !== "" && become(edit.describe(state, "strength", Number(field.value), `strength ${state.chosen}`)));
  }
  for (const field of Object.values(page.fields)) {
    on(field, "change", () => become(edit.settled(state)));
    on(field, "blur", refresh);
  }
  on(page.text, "input", () => become(edit.typed(state, page.text.value, "text")));
  on(page.text, "blur", () => become(edit.settled(state)));

  const does = {
    box: () => (tool = tool === "box" ? null : "box"),
    polygon: () => (tool = tool === "polygon" ? null : "polygon"),
    text: () => (asText = !asText || Boolean(state.problem)),
    undo: () => become(edit.undone(state)),
    redo: () => become(edit.redone(state)),
    duplicate: () => become(edit.duplicate(state)),
    remove: () => become(edit.remove(state)),
    back: () => become(edit.reorder(state, -1)),
    front: () => become(edit.reorder(state, 1)),
  };
  for (const [name, button] of Object.entries(page.buttons)) {
    on(button, "click", () => {
      points = null;
      does[name]();
      refresh();
    });
  }

  const resizing = new window.ResizeObserver(refresh);
  resizing.observe(page.stage);
  refresh();

  return {
    element: page.root,
    refresh,
    load(text) {
      show(edit.loaded(state, text));
    },
    setAspect(width, height) {
      aspect = width > 0 && height > 0 ? width / height : 1;
      refresh();
    },
    /** The address of the picture behind the regions; "" for none. */
    setPicture(wanted) {
      if (wanted === address) return;
      address = wanted;
      picture = null;
      refresh();
      if (!wanted) return;
      const loading = document.createElement("img");
      on(loading, "load", () => {
        if (address === wanted) picture = loading;
        refresh();
      });
      loading.src = wanted;
    },
    setLinked(made) {
      linked = made;
      refresh();
    },
    close() {
      resizing.disconnect();
      window.cancelAnimationFrame(waiting);
    },
  };
}
