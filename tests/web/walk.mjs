/** A hand that does anything. As a program, `node walk.mjs <seeds>`, it prints the texts that it makes, one JSON string a line, for other readers. */
import { pathToFileURL } from "node:url";
import { describe, opened, settled, typed } from "../../web/regions/editing.mjs";
import { corner, drag, keyed, press, release } from "../../web/regions/gestures.mjs";
import { chance, TWO } from "./helpers.mjs";

const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Delete", "Escape", "Tab", "n", "[", "]", "z", "y", "d"];
const TYPED = ["", "[]", "[{", '[{"box": [0, 0, 1, 1], "negative": "fog", "curve": "0:1, 1:0"}]', '[{"box": [-3, -3, 0.001, 0.001]}, {"polygon": [[0, 0], [2, 0], [0, 2]]}]'];

/** The states after each of `steps` things done. */
export function* walk(seed, steps, text) {
  const next = chance(seed);
  const any = (list) => list[Math.floor(next() * list.length)];
  const point = () => [next() * 1.6 - 0.3, next() * 1.6 - 0.3];
  const inside = () => [next(), next()];
  let state = opened(text);
  for (let step = 0; step < steps; step++) {
    const what = next();
    const reach = [0.005 + next() * 0.05, 0.005 + next() * 0.05];
    if (what < 0.5 && !state.problem) {
      let made = press(state, next() < 0.5 ? inside() : point(), reach, next() < 0.2);
      for (let moves = Math.floor(next() * 5); moves; moves--) made = drag(made.state, made.gesture, point());
      state = release(made.state, made.gesture);
    } else if (what < 0.6 && !state.problem) {
      let made = { state, points: [] };
      for (let corners = 0; made.points && corners < 6; corners++) made = corner(made.state, made.points, corners === 5 ? made.points[0] : point(), reach);
      state = made.state;
    } else if (what < 0.85) {
      const key = any(KEYS);
      state = keyed(state, { key, shiftKey: next() < 0.3, altKey: next() < 0.2, ctrlKey: "zyd".includes(key), metaKey: false }) ?? state;
    } else if (what < 0.95) {
      state = any([() => describe(state, "words", any(["", "cat", "red, \"dog\""])), () => describe(state, "strength", Math.round(next() * 40) / 20)])();
    } else {
      state = settled(typed(state, any(TYPED), "text"));
    }
    yield state;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const texts = new Set();
  for (let seed = 1; seed <= Number(process.argv[2]); seed++) for (const state of walk(seed, 60, TWO)) if (!state.problem) texts.add(state.text);
  process.stdout.write([...texts].map((text) => JSON.stringify(text)).join("\n"));
}
