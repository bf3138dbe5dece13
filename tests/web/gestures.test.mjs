import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, opened, undone } from "../../web/regions/editing.mjs";
import * as h from "../../web/regions/gestures.mjs";
import { near, REACH, sound, TWO } from "./helpers.mjs";

const NESTED = '[{"box": [0, 0, 1, 1]}, {"box": [0.2, 0.2, 0.8, 0.8]}, {"box": [0.4, 0.4, 0.6, 0.6]}]';

/** A pointer that goes along points; drawing: whether the box tool is on. */
function stroke(state, points, drawing = false) {
  let made = h.press(state, points[0], REACH, drawing);
  for (const point of points.slice(1)) made = h.drag(made.state, made.gesture, point);
  return h.release(made.state, made.gesture);
}

test("drawing on the empty picture, one step of the history", () => {
  const state = stroke(opened(""), [[0.7, 0.8], [0.6, 0.6], [0.3, 0.2]]);
  near(state.regions[0].box, [0.3, 0.2, 0.7, 0.8]);
  assert.deepEqual([state.chosen, state.past.length, undone(state).text], [0, 1, ""]);
});

test("drawing from the margin snaps to the edge; a click draws nothing", () => {
  near(stroke(opened(""), [[-0.005, 0.004], [0.5, 0.996]]).regions[0].box, [0, 0, 0.5, 1]);
  assert.equal(stroke(opened(""), [[0.3, 0.3], [0.301, 0.301]]).text, "");
});

test("drawing inside another region", () => {
  assert.equal(stroke(opened(NESTED), [[0.3, 0.3], [0.5, 0.5]], true).regions.length, 4);
});

test("moving, in one step, and out of a press that trembled", () => {
  const state = stroke(opened(TWO), [[0.3, 0.5], [0.32, 0.5], [0.4, 0.4]]);
  near(state.regions[0].box, [0.2, 0.1, 0.6, 0.8]);
  assert.deepEqual([state.past.length, undone(state).text], [1, TWO]);
  assert.equal(stroke(opened(TWO), [[0.3, 0.5], [0.303, 0.503]]).text, TWO);
  const back = stroke(opened(TWO), [[0.3, 0.5], [0.6, 0.6], [0.3, 0.5]]);
  assert.deepEqual([back.text, back.past.length, back.tag], [TWO, 0, null], "what came back was no step");
});

test("each of the eight handles", () => {
  for (const [at, wanted] of [[[0.1, 0.2], [0.15, 0.25, 0.5, 0.9]], [[0.3, 0.2], [0.1, 0.25, 0.5, 0.9]], [[0.5, 0.2], [0.1, 0.25, 0.55, 0.9]], [[0.5, 0.55], [0.1, 0.2, 0.55, 0.9]],
    [[0.5, 0.9], [0.1, 0.2, 0.55, 0.95]], [[0.3, 0.9], [0.1, 0.2, 0.5, 0.95]], [[0.1, 0.9], [0.15, 0.2, 0.5, 0.95]], [[0.1, 0.55], [0.15, 0.2, 0.5, 0.9]]]) {
    const state = stroke(choose(opened(TWO), 0), [at, [at[0] + 0.05, at[1] + 0.05]]);
    near(state.regions[0].box, wanted, 1e-4);
    assert.equal(undone(state).text, TWO);
  }
});

test("a corner of a polygon", () => {
  const state = stroke(choose(opened(TWO), 1), [[0.7, 0.8], [0.75, 0.7]]);
  assert.deepEqual(state.regions[1].polygon, [[0.5, 0.1], [0.9, 0.1], [0.75, 0.7]]);
  assert.equal(undone(state).text, TWO);
});

test("clicks choose: the smallest, then those below it, beside all none", () => {
  const click = (state) => stroke(state, [[0.5, 0.5]]);
  let state = opened(NESTED);
  assert.deepEqual([0, 1, 2, 3].map(() => (state = click(state)).chosen), [2, 1, 0, 2]);
  assert.equal(stroke(choose(opened(TWO), 0), [[0.95, 0.95]]).chosen, -1);
});

test("a chosen region below others is dragged", () => {
  near(stroke(choose(opened(NESTED), 1), [[0.5, 0.5], [0.6, 0.5]]).regions[1].box, [0.3, 0.2, 0.9, 0.8]);
});

test("leaving a gesture leaves no trace", () => {
  for (const [from, drawing] of [[[0.3, 0.5], false], [[0.3, 0.5], true], [[0.5, 0.9], false]]) {
    let made = h.press(choose(opened(TWO), 0), from, REACH, drawing);
    made = h.drag(made.state, made.gesture, [0.6, 0.6]);
    assert.notEqual(made.state.text, TWO);
    const state = h.cancel(made.state, made.gesture);
    assert.deepEqual([state.text, state.past.length, state.future.length], [TWO, 0, 0]);
  }
});

test("a polygon, corner by corner, closed on the first or by a key; too few corners make none", () => {
  let made = { state: opened(""), points: [] };
  for (const point of [[0.2, 0.2], [0.8, 0.2], [0.5, 0.9], [0.21, 0.19]]) made = h.corner(made.state, made.points, point, REACH);
  assert.equal(made.points, null);
  assert.deepEqual(made.state.regions, [{ polygon: [[0.2, 0.2], [0.8, 0.2], [0.5, 0.9]] }]);
  assert.equal(undone(made.state).text, "");
  assert.equal(h.closed(opened(""), [[0.2, 0.2], [0.8, 0.2]]).state.text, "");
});

test("keys", () => {
  const press = (key, more = {}, state = choose(opened(TWO), 0)) => h.keyed(state, { key, shiftKey: false, altKey: false, ctrlKey: false, metaKey: false, ...more });
  near(press("ArrowRight").regions[0].box, [0.11, 0.2, 0.51, 0.9]);
  near(press("ArrowUp", { altKey: true }).regions[0].box, [0.1, 0.199, 0.5, 0.899]);
  near(press("ArrowLeft", { shiftKey: true }).regions[0].box, [0.1, 0.2, 0.49, 0.9]);
  assert.equal(press("Delete").regions.length, 1);
  assert.equal(press("Escape").chosen, -1);
  assert.equal(press("Tab").chosen, 1);
  assert.equal(press("Tab", { shiftKey: true }), null);
  assert.equal(press("]").chosen, 1);
  assert.equal(press("n", {}, opened("")).regions.length, 1);
  assert.equal(press("d", { metaKey: true }).regions.length, 3);
  const moved = press("ArrowRight");
  assert.equal(press("z", { ctrlKey: true }, moved).text, TWO);
  assert.equal(press("Z", { ctrlKey: true, shiftKey: true }, press("z", { ctrlKey: true }, moved)).text, moved.text);
  assert.equal(press("y", { ctrlKey: true }, press("z", { ctrlKey: true }, moved)).text, moved.text);
  for (const key of ["a", "Enter", "F5", "Shift"]) assert.equal(press(key), null, key);
  for (const key of ["ArrowLeft", "Escape", "["]) assert.equal(press(key, {}, opened(TWO)), null, "the graph's own key, while no region is chosen");
  assert.equal(press("Delete", {}, opened(TWO)).text, TWO, "but this one would delete the node");
  assert.equal(press("s", { ctrlKey: true }), null);
});

test("the cursor says what a press would do", () => {
  const state = choose(opened(TWO), 0);
  assert.deepEqual([[0.5, 0.9], [0.3, 0.5], [0.95, 0.95]].map((point) => h.cursor(state, point, REACH)), ["se-resize", "move", "crosshair"]);
  sound(state);
});
