/** The elements of an editor, and their looks. Colours come from ComfyUI's theme. */

const STYLE = `
.concord-regions { display: flex; flex-direction: column; gap: 4px; box-sizing: border-box; width: 100%; height: 100%; min-height: 400px; padding: 2px;
  font: 12px/1.35 system-ui, sans-serif; color: var(--input-text, #ddd); --line: var(--border-color, #4e4e4e); --mark: var(--p-primary-color, #60a5fa); }
.concord-regions [hidden] { display: none !important; }
.concord-regions .bar { display: flex; flex-wrap: wrap; gap: 2px; }
.concord-regions button { display: grid; place-items: center; width: 28px; height: 26px; padding: 0; border: 1px solid var(--line); border-radius: 4px;
  color: inherit; background: var(--comfy-input-bg, #222); cursor: pointer; touch-action: manipulation; }
.concord-regions button:disabled { opacity: 0.4; cursor: default; }
.concord-regions button[aria-pressed="true"] { border-color: var(--mark); box-shadow: inset 0 0 0 1px var(--mark); }
.concord-regions button svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round; }
.concord-regions .gap { flex: 1; }
.concord-regions .stage { position: relative; flex: 1 1 0; min-height: 160px; border-radius: 4px; overflow: hidden; }
.concord-regions .stage canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.concord-regions .surface { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; padding: 0; border: 0; border-radius: 4px; background: none;
  color: transparent; touch-action: none; outline: none; }
.concord-regions .surface:focus-visible { box-shadow: inset 0 0 0 2px var(--mark); }
.concord-regions button:focus-visible, .concord-regions .field:focus-visible { outline: 2px solid var(--mark); outline-offset: 1px; }
.concord-regions .status { margin: 0; min-height: 1.35em; overflow-wrap: anywhere; }
.concord-regions .form { display: grid; grid-template-columns: auto 1fr; gap: 3px 6px; align-items: center; margin: 0; padding: 0; border: 0; min-width: 0; }
.concord-regions .form > div { display: flex; gap: 6px; }
.concord-regions .form:disabled { opacity: 0.5; }
.concord-regions .field { box-sizing: border-box; min-width: 0; width: 100%; padding: 3px 6px; border: 1px solid var(--line); border-radius: 4px;
  color: inherit; background: var(--comfy-input-bg, #222); font: inherit; }
.concord-regions .field::placeholder { color: inherit; opacity: 0.7; }
.concord-regions .field[type="number"] { width: 6em; flex: none; }
.concord-regions .field[type="range"] { padding: 0; accent-color: var(--mark); }
.concord-regions .source { flex: 1; display: flex; flex-direction: column; gap: 4px; min-height: 160px; }
.concord-regions .source textarea { flex: 1; resize: none; font: 12px/1.4 ui-monospace, monospace; }
.concord-regions .problem { margin: 0; padding: 3px 6px; border: 1px solid #f87171; border-radius: 4px; overflow-wrap: anywhere; }
`;

const ICONS = {
  box: "M2 4h12v8H2z",
  polygon: "M8 2l6 5-3 7H4L2 6z",
  duplicate: "M2 2h8v8H2zM6 10v4h8V6h-4",
  remove: "M3 4h10M6 4V2h4v2M4 4l1 10h6l1-10M7 7v4M9 7v4",
  back: "M8 2v11M4 9l4 4 4-4",
  front: "M8 14V3M4 7l4-4 4 4",
  undo: "M6 3L2 7l4 4M2 7h8a4 4 0 0 1 0 7H8",
  redo: "M10 3l4 4-4 4M14 7H6a4 4 0 0 0 0 7h2",
  text: "M5 4L1 8l4 4M11 4l4 4-4 4M9 3L7 13",
};

/** All elements, in the order of the Tab key: {root, stage, canvas, surface, status, form, fields, source, problem, text, buttons}. */
export function build(document, say) {
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const button = (name, attributes = {}) => {
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    icon.setAttribute("viewBox", "0 0 16 16");
    icon.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[name]);
    icon.append(path);
    return make("button", { type: "button", title: say(name), "aria-label": say(name), "data-does": name, ...attributes }, icon);
  };
  const buttons = Object.fromEntries(Object.keys(ICONS).map((name) => [name, button(name)]));
  for (const name of ["box", "polygon", "text"]) buttons[name].setAttribute("aria-pressed", "false");
  const bar = make("div", { class: "bar", role: "toolbar", "aria-label": say("editor") });
  for (const [name, element] of Object.entries(buttons)) bar.append(...(name === "text" ? [make("span", { class: "gap" }), element] : [element]));

  const canvas = make("canvas", { "aria-hidden": "true" });
  // An input, because ComfyUI leaves the undo keys alone while one has the focus.
  const surface = make("input", { type: "button", class: "surface", role: "application", value: "", "aria-label": say("surface") });
  const stage = make("div", { class: "stage" }, canvas, surface);
  const status = make("p", { class: "status", "aria-live": "polite" });

  const field = (name, type, attributes = {}) => make("input", { class: "field", type, name, "aria-label": say(name), autocomplete: "off", ...attributes });
  const fields = {
    words: field("words", "text", { placeholder: say("wordsHint") }),
    prompt: field("prompt", "text", { placeholder: say("promptHint") }),
    negative: field("negative", "text", { placeholder: say("negativeHint") }),
    slider: field("strength", "range", { min: 0, max: 2, step: 0.05 }),
    strength: field("strength", "number", { step: 0.05 }),
  };
  const caption = (name) => make("span", { "aria-hidden": "true" }, say(name));
  const form = make("fieldset", { class: "form" }, ...["words", "prompt", "negative"].flatMap((name) => [caption(name), fields[name]]), caption("strength"),
    make("div", {}, fields.slider, fields.strength));

  const text = make("textarea", { class: "field", spellcheck: "false", "aria-label": say("source") });
  const problem = make("p", { class: "problem", role: "alert" });
  const source = make("div", { class: "source" }, problem, text);
  const root = make("div", { class: "concord-regions", role: "group", "aria-label": say("editor") }, make("style", {}, STYLE), bar, stage, status, form, source);
  return { root, stage, canvas, surface, status, form, fields, source, problem, text, buttons };
}
