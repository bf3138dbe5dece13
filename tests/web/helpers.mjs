/** Regions to test with, and chance that can be repeated. */
import assert from "node:assert/strict";
import { covers } from "../../web/regions/geometry.mjs";
import { read, write } from "../../web/regions/text.mjs";

export const TWO = '[{"box": [0.1, 0.2, 0.5, 0.9], "words": "red cat"}, {"polygon": [[0.5, 0.1], [0.9, 0.1], [0.7, 0.8]], "strength": 1.5}]';
export const REACH = [0.02, 0.02];

/** Numbers from 0 to 1, the same for the same seed (a linear congruence). */
export function chance(seed) {
  let at = seed >>> 0;
  return () => (at = (Math.imul(at, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** What holds of every state. */
export function sound(state) {
  assert.ok(state.chosen === -1 || state.chosen in state.regions, `${state.chosen} is chosen of ${state.regions.length}`);
  const { regions, problem } = read(state.text);
  assert.deepEqual(problem, state.problem);
  assert.deepEqual(regions, state.regions);
  assert.deepEqual(read(write(state.regions)), { regions: state.regions, problem: null });
  for (const region of state.regions) {
    assert.ok((region.box ?? region.polygon.flat()).every(Number.isFinite), JSON.stringify(region));
    assert.ok(covers(region), JSON.stringify(region));
  }
}

export const near = (made, wanted, within = 1e-9) =>
  assert.ok(made.length === wanted.length && made.every((value, i) => Math.abs(value - wanted[i]) <= within), `${made} is not ${wanted}`);
