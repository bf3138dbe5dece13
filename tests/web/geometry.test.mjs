import assert from "node:assert/strict";
import { test } from "node:test";
import * as g from "../../web/regions/geometry.mjs";
import { near } from "./helpers.mjs";

const box = (...sides) => ({ box: sides });
const triangle = { polygon: [[0, 0], [1, 0], [0, 1]], words: "hill" };

test("four digits, and never -0", () => {
  assert.equal(g.round(0.123456), 0.1235);
  assert.ok(Object.is(g.round(-0.00001), 0));
});

test("moving keeps the size and whatever else a region says", () => {
  assert.deepEqual(g.moved({ ...box(0.1, 0.2, 0.5, 0.9), words: "cat" }, 0.25, -0.1), { ...box(0.35, 0.1, 0.75, 0.8), words: "cat" });
  assert.deepEqual(g.moved(triangle, 0.5, 0.25), { polygon: [[0.5, 0.25], [1.5, 0.25], [0.5, 1.25]], words: "hill" });
});

test("a region may lie partly off the picture, never wholly", () => {
  for (const [dx, dy] of [[9, 0], [-9, 0], [0, 9], [0, -9], [9, 9], [-9, -9]]) {
    const [x0, y0, x1, y1] = g.moved(box(0.2, 0.2, 0.6, 0.6), dx, dy).box;
    near([Math.min(x1, 1) - Math.max(x0, 0), Math.min(y1, 1) - Math.max(y0, 0)], [dx ? g.INSIDE : 0.4, dy ? g.INSIDE : 0.4]);
    assert.ok(g.covers(g.moved(triangle, dx, dy)));
  }
  near(g.moved(box(1.5, 0, 2, 1), 0.1, 0).box, [0.98, 0, 1.48, 1]); // what comes from elsewhere is pulled in
});

test("each handle moves its sides alone", () => {
  const moves = { nw: [0.1, 0.1, 0, 0], n: [0, 0.1, 0, 0], ne: [0, 0.1, 0.1, 0], e: [0, 0, 0.1, 0], se: [0, 0, 0.1, 0.1], s: [0, 0, 0, 0.1], sw: [0.1, 0, 0, 0.1], w: [0.1, 0, 0, 0] };
  assert.deepEqual(Object.keys(g.HANDLES), Object.keys(moves));
  for (const [handle, by] of Object.entries(moves)) {
    const start = [0.2, 0.2, 0.6, 0.6];
    near(g.resized({ box: start }, handle, 0.1, 0.1).box, start.map((side, i) => side + by[i]));
  }
});

test("a side stops before the other one, and at the picture", () => {
  near(g.resized(box(0.2, 0.2, 0.6, 0.6), "e", -1, 0).box, [0.2, 0.2, 0.2 + g.LEAST, 0.6]);
  near(g.resized(box(0.2, 0.2, 0.6, 0.6), "nw", 1, 1).box, [0.6 - g.LEAST, 0.6 - g.LEAST, 0.6, 0.6]);
  near(g.resized(box(-0.5, 0.2, 0.6, 0.6), "e", -1, 0).box, [-0.5, 0.2, g.INSIDE, 0.6]);
  near(g.resized(box(0.2, 0.2, 0.6, 0.6), "se", 99, 99).box, [0.2, 0.2, 2, 2]);
});

test("a polygon is stretched as a whole, or corner by corner, and is never emptied", () => {
  assert.deepEqual(g.resized(triangle, "se", -0.5, 0).polygon, [[0, 0], [0.5, 0], [0, 1]]);
  assert.deepEqual(g.withCorner(triangle, 1, [0.8, 0.1]).polygon, [[0, 0], [0.8, 0.1], [0, 1]]);
  assert.equal(g.withCorner(triangle, 1, [0, 0.5]), triangle);
  assert.equal(g.withCorner({ polygon: [[-0.5, 0], [0.5, 0], [-0.5, 1]] }, 1, [-0.2, 0]).polygon[1][0], 0.5);
});

test("inside and outside", () => {
  assert.ok(g.contains(triangle, [0.2, 0.2]) && !g.contains(triangle, [0.6, 0.6]) && g.contains(box(0, 0, 1, 1), [0, 0]) && !g.contains(box(0, 0, 1, 1), [1, 0]));
  const bow = { polygon: [[0, 0], [1, 1], [1, 0], [0, 1]] };
  assert.ok(g.contains(bow, [0.1, 0.5]) && !g.contains(bow, [0.5, 0.1]));
  assert.deepEqual([box(0.5, 0, 0.5, 1), box(1, 0, 2, 1), box(-1, 0, 0, 1), box(-1, -1, 2, 2)].map(g.covers), [false, false, false, true]);
  assert.deepEqual([[[2, 0], [3, 0], [2, 1]], [[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]], [[-1, 0.5], [0.5, 0.4], [0.5, 0.6]]].map((polygon) => g.covers({ polygon })), [false, false, true]);
});

test("a box between two points, in any order, unless there is none", () => {
  assert.deepEqual(g.boxBetween([0.7, 0.8], [0.2, 0.1]), box(0.2, 0.1, 0.7, 0.8));
  assert.equal(g.boxBetween([0.2, 0.2], [0.205, 0.9]), null);
  assert.equal(g.boxBetween([1.1, 0.2], [1.5, 0.9]), null);
  assert.equal(g.polygonThrough([[0, 0], [1, 1]]), null);
  assert.deepEqual(g.polygonThrough([[0, 0], [1, 0], [0.33333, 9]]), { polygon: [[0, 0], [1, 0], [0.3333, 2]] });
});

test("grips: the nearest one; a small region keeps a middle", () => {
  assert.equal(g.gripAt(box(0.2, 0.2, 0.6, 0.6), [0.61, 0.59], [0.02, 0.02]).handle, "se");
  assert.equal(g.gripAt(box(0.2, 0.2, 0.6, 0.6), [0.41, 0.2], [0.02, 0.02]).handle, "n");
  assert.equal(g.gripAt(box(0.2, 0.2, 0.6, 0.6), [0.4, 0.4], [0.02, 0.02]), null);
  assert.equal(g.gripAt(box(0.2, 0.2, 0.24, 0.24), [0.22, 0.22], [0.02, 0.02]), null);
  assert.equal(g.gripAt(triangle, [0.99, 0.01], [0.02, 0.02]).corner, 1);
});

test("of several regions at a point the smallest is first; of equal ones the later", () => {
  const all = [box(0, 0, 1, 1), box(0.4, 0.4, 0.6, 0.6), box(0, 0, 1, 1), box(0, 0, 0.1, 0.1)];
  assert.deepEqual(g.placesAt(all, [0.5, 0.5]), [1, 2, 0]);
});

test("points snap to the edges of the picture only", () => {
  assert.deepEqual(g.snapped([0.01, 0.992], [0.02, 0.02]), [0, 1]);
  assert.deepEqual(g.snapped([0.5, -0.03], [0.02, 0.02]), [0.5, -0.03]);
});
