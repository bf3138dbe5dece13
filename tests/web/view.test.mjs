/** Where the picture lies on the screen, and what is drawn there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { colour, draw } from "../../web/regions/draw.mjs";
import { choose, opened } from "../../web/regions/editing.mjs";
import * as v from "../../web/regions/viewport.mjs";
import { near, TWO } from "./helpers.mjs";

test("the picture fills its area in its own shape, with a margin", () => {
  assert.deepEqual(v.frame(436, 236, 2, 18), { x: 18, y: 18, width: 400, height: 200 });
  assert.deepEqual(v.frame(236, 436, 2, 18), { x: 18, y: 168, width: 200, height: 100 });
  const none = v.frame(0, 0, 1, 18);
  assert.ok(none.width > 0 && none.height > 0);
});

test("a pointer is at the same fraction at every zoom of the graph", () => {
  const size = { width: 436, height: 236 };
  const shown = v.frame(size.width, size.height, 2, 18);
  for (const zoom of [0.25, 1, 3]) {
    const rect = { left: 77, top: 55, width: size.width * zoom, height: size.height * zoom };
    near(v.fraction({ clientX: 77 + zoom * (18 + 0.25 * 400), clientY: 55 + zoom * (18 + 0.75 * 200) }, rect, size, shown), [0.25, 0.75]);
    near(v.reach(8, rect, size, shown), [8 / (400 * zoom), 8 / (200 * zoom)]);
  }
});

test("sharp at the screen's density and the graph's zoom, within what browsers can", () => {
  const size = { width: 400, height: 300 };
  assert.deepEqual([0.5, 1, 2, 9].map((zoom) => v.density({ width: 400 * zoom }, size, 2)), [2, 2, 4, 6]);
  assert.equal(v.density({ width: 4000 }, { width: 4000, height: 300 }, 3), 4096 / 4000);
  assert.ok(v.density({ width: 0 }, { width: 0, height: 0 }, 1) > 0);
});

test("a background of another shape shows its middle", () => {
  assert.deepEqual(v.middle(300, 100, 1), { x: 100, y: 0, width: 100, height: 100 });
  assert.deepEqual(v.middle(100, 300, 1), { x: 0, y: 100, width: 100, height: 100 });
});

/** A 2D context that writes down what it is told. */
function listener() {
  const told = [];
  const context = new Proxy({}, {
    get: (_, name) => (name === "measureText" ? (text) => ({ width: 6 * text.length }) : (...values) => told.push([name, ...values])),
    set: (_, name, value) => told.push([name, value]),
  });
  return { context, said: (name) => told.filter(([what]) => what === name).map(([, ...values]) => values) };
}

const scene = (state, more = {}) => ({ state, shown: { x: 10, y: 10, width: 100, height: 100 }, size: { width: 120, height: 120 }, density: 2, picture: null, points: null,
  pointer: null, theme: { ground: "#000", paper: "#111", line: "#222" }, ...more });

test("every region with its number, words and strength; grips of the chosen one alone", () => {
  const { context, said } = listener();
  draw(context, scene(choose(opened(TWO), 0)));
  assert.deepEqual(said("fillText").map(([text]) => text), ["2 ×1.5", "1 red cat"]); // the chosen one lies above
  assert.deepEqual([said("rect").length, said("arc").length], [8, 0]);
  assert.deepEqual(said("setTransform"), [[2, 0, 0, 2, 0, 0]]);
  const polygon = listener();
  draw(polygon.context, scene(choose(opened(TWO), 1)));
  assert.equal(polygon.said("arc").length, 3);
});

test("the background's middle, a region that is off, a polygon in the making", () => {
  const { context, said } = listener();
  const off = opened('[{"box": [0, 0, 1, 1], "strength": 0}]');
  const picture = { naturalWidth: 300, naturalHeight: 100 };
  draw(context, scene(off, { picture, points: [[0, 0], [1, 0]], pointer: [0.5, 0.5] }));
  assert.deepEqual(said("drawImage"), [[picture, 100, 0, 100, 100, 10, 10, 100, 100]]);
  assert.ok(said("setLineDash").some(([dash]) => dash.length));
  assert.deepEqual(said("lineTo").at(-1), [60, 60]);
});

test("nine regions in a row have neighbours of other colours", () => {
  for (let i = 0; i < 9; i++) assert.notEqual(colour(i), colour(i + 1));
});
