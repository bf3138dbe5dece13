/**
 * Shows an editor's view on its elements, and says where a pointer is on it.
 *
 * view: {state, aspect, picture (an image or null), linked (the text comes from another node), asText, tool ("box" or "polygon": what the next press
 * begins), points (of a polygon that is being drawn), pointer (where that goes on)}.
 */
import { draw } from "./draw.mjs";
import { opened } from "./editing.mjs";
import { bounds } from "./geometry.mjs";
import * as viewport from "./viewport.mjs";
import { complaint } from "./words.mjs";

export const TEXTS = ["words", "prompt", "negative"]; // that have a field
const MARGIN = 18; // CSS pixels around the picture, for what lies off it
const REACH = { mouse: 8, pen: 10, touch: 20 }; // screen pixels

/** Whether nothing can be drawn now. */
export const blocked = ({ linked, state }) => linked || Boolean(state.problem);

const size = (page) => ({ width: page.stage.clientWidth, height: page.stage.clientHeight });
const shown = (page, view) => viewport.frame(page.stage.clientWidth, page.stage.clientHeight, view.aspect, MARGIN);

/** Where a pointer is, and how near is near for it, in fractions of the picture. */
export function at(page, view, event) {
  const rect = page.stage.getBoundingClientRect();
  const area = [rect, size(page), shown(page, view)];
  return { point: viewport.fraction(event, ...area), reach: viewport.reach(REACH[event.pointerType] ?? REACH.mouse, ...area) };
}

export function present(page, say, view) {
  const { state, linked } = view;
  const region = state.regions[state.chosen];
  const text = view.asText && !linked;
  page.stage.hidden = page.form.hidden = page.status.hidden = text;
  page.source.hidden = !text;
  page.problem.hidden = !state.problem;
  tell(page.problem, state.problem ? complaint(say, state.problem) : "");
  tell(page.status, spoken(say, view, region));
  fill(page.text, state.text);
  page.form.disabled = !region || blocked(view);
  for (const name of TEXTS) fill(page.fields[name], region?.[name] ?? "");
  fill(page.fields.strength, region ? String(region.strength ?? 1) : "");
  fill(page.fields.slider, String(region?.strength ?? 1));
  const drawing = !text && !blocked(view);
  const can = { box: drawing, polygon: drawing, duplicate: drawing && region, remove: drawing && region, back: drawing && state.chosen > 0, text: !linked,
    front: drawing && region && state.chosen < state.regions.length - 1, undo: !linked && state.past.length, redo: !linked && state.future.length };
  for (const [name, button] of Object.entries(page.buttons)) button.disabled = !can[name];
  for (const name of ["box", "polygon"]) page.buttons[name].setAttribute("aria-pressed", String(view.tool === name));
  page.buttons.text.setAttribute("aria-pressed", String(text));
  if (!text) paint(page, view);
}

/** Leaves what stands there already alone: a screen reader would say it again, a cursor would jump. */
function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function fill(field, value) {
  if (field.value !== value && field.ownerDocument.activeElement !== field) field.value = value;
}

function spoken(say, { state, linked, points }, region) {
  if (linked) return say("linked");
  if (points) return say("sketch", { count: points.length });
  if (!region) return say(state.regions.length ? "nothing" : "none");
  const [x0, y0, x1, y1] = bounds(region);
  const [left, top, width, height] = [x0, y0, x1 - x0, y1 - y0].map((part) => Math.round(part * 100));
  return say("chosen", { number: state.chosen + 1, count: state.regions.length, name: region.words || region.prompt || say("unnamed"), left, top, width, height });
}

function paint(page, view) {
  const window = page.root.ownerDocument.defaultView;
  const area = size(page);
  const density = viewport.density(page.stage.getBoundingClientRect(), area, window.devicePixelRatio);
  const [width, height] = [Math.round(area.width * density), Math.round(area.height * density)];
  if (!width || !height) return; // not on the screen
  if (page.canvas.width !== width || page.canvas.height !== height) Object.assign(page.canvas, { width, height });
  const css = window.getComputedStyle(page.root);
  const from = (name, otherwise) => css.getPropertyValue(name).trim() || otherwise;
  const theme = { ground: from("--comfy-menu-bg", "#353535"), paper: from("--comfy-input-bg", "#222"), line: from("--descrip-text", "#999") };
  draw(page.canvas.getContext("2d"), { ...view, state: view.linked ? opened("") : view.state, shown: shown(page, view), size: area, density, theme });
}
