/**
 * The state of an editor, and everything that can be done to it: state in, state out.
 *
 * {text, regions, chosen, problem, past, future, tag}: `text` is what the workflow keeps; while it has a `problem`, only the text itself and its history
 * can be changed. `chosen` is the number of a region, or -1. Changes with the same tag are one step of the history (a drag, a word being typed).
 */
import { boxBetween, moved, resized } from "./geometry.mjs";
import { read, write } from "./text.mjs";

const STEPS = 200; // that can be undone
const SHIFT = 0.03; // of a copy, from what it was copied from

export function opened(text) {
  return { text, ...read(text), chosen: -1, past: [], future: [], tag: null };
}

/** The state with the text that somebody else has set; the same text changes nothing. */
export function loaded(state, text) {
  if (text === state.text) return state;
  const made = opened(text);
  return { ...made, chosen: state.chosen < made.regions.length ? state.chosen : -1 };
}

const kept = ({ text, regions, chosen, problem }) => ({ text, regions, chosen, problem });

function changed(state, made, tag) {
  const goesOn = tag !== null && tag === state.tag;
  return { ...state, ...made, past: goesOn ? state.past : [...state.past, kept(state)].slice(-STEPS), future: [], tag };
}

function withRegions(state, regions, chosen = state.chosen, tag = null) {
  if (state.problem) return state;
  const text = write(regions);
  return text === write(state.regions) ? { ...state, chosen } : changed(state, { text, regions, chosen, problem: null }, tag);
}

/** What a hand has written into the text itself. */
export function typed(state, text, tag = null) {
  if (text === state.text) return state;
  const made = read(text);
  return changed(state, { text, ...made, chosen: state.chosen < made.regions.length ? state.chosen : -1 }, tag);
}

export function undone(state) {
  if (!state.past.length) return state;
  return { ...state, ...state.past.at(-1), past: state.past.slice(0, -1), future: [kept(state), ...state.future], tag: null };
}

export function redone(state) {
  if (!state.future.length) return state;
  return { ...state, ...state.future[0], past: [...state.past, kept(state)], future: state.future.slice(1), tag: null };
}

/** The end of what shares a tag; a change that came back to where it began leaves no step. */
export function settled(state) {
  const last = state.past.at(-1);
  const nothing = state.tag !== null && last && !last.problem && !state.problem && write(last.regions) === write(state.regions);
  return nothing ? { ...state, text: last.text, past: state.past.slice(0, -1), tag: null } : { ...state, tag: null };
}

/** As if what has this tag had never begun. */
export function dropped(state, tag) {
  return state.tag === tag && state.past.length ? { ...undone(state), future: [] } : state;
}

export function choose(state, chosen) {
  return { ...state, chosen: chosen < state.regions.length ? chosen : -1, tag: null };
}

/** The next region (step 1) or the one before (-1); null behind the last and before the first, where the focus should go on. */
export function chooseNext(state, step) {
  const chosen = state.chosen < 0 ? (step > 0 ? 0 : state.regions.length - 1) : state.chosen + step;
  return chosen < 0 || chosen >= state.regions.length ? null : choose(state, chosen);
}

export function add(state, region, tag = null) {
  return withRegions(state, [...state.regions, region], state.problem ? state.chosen : state.regions.length, tag);
}

/** A box in the middle, a little further with each, for those who do not draw with a pointer. */
export function addInTheMiddle(state) {
  const at = 0.3 + SHIFT * (state.regions.length % 8);
  return add(state, boxBetween([at, at], [at + 0.3, at + 0.3]));
}

/** The state with another region in place of number `index`. */
export function replace(state, index, region, tag = null) {
  if (!state.regions[index]) return state;
  return withRegions(state, state.regions.map((one, i) => (i === index ? region : one)), state.chosen, tag);
}

export function remove(state, index = state.chosen) {
  if (!state.regions[index]) return state;
  const regions = state.regions.filter((_, i) => i !== index);
  return withRegions(state, regions, Math.min(index, regions.length - 1));
}

export function duplicate(state, index = state.chosen) {
  const region = state.regions[index];
  return region ? add(state, moved(structuredClone(region), SHIFT, SHIFT)) : state;
}

/** The region further to the end (step 1: drawn later, over others) or to the beginning (-1). */
export function reorder(state, step, index = state.chosen) {
  const to = index + step;
  if (!state.regions[index] || !state.regions[to]) return state;
  const regions = [...state.regions];
  [regions[index], regions[to]] = [regions[to], regions[index]];
  return withRegions(state, regions, to);
}

export function move(state, dx, dy, tag = null) {
  const region = state.regions[state.chosen];
  return region ? replace(state, state.chosen, moved(region, dx, dy), tag) : state;
}

export function resize(state, dx, dy, handle = "se", tag = null) {
  const region = state.regions[state.chosen];
  return region ? replace(state, state.chosen, resized(region, handle, dx, dy), tag) : state;
}

/** Sets words, prompt, negative, curve (texts) or strength (a number) of the chosen region; what is empty or 1 is left out of the text. */
export function describe(state, key, value, tag = null) {
  const region = state.regions[state.chosen];
  if (!region || (key === "strength" && !Number.isFinite(value))) return state;
  const { [key]: _, ...made } = region;
  if (value !== "" && !(key === "strength" && value === 1)) made[key] = value;
  return replace(state, state.chosen, made, tag);
}
