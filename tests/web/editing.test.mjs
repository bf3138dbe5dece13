import assert from "node:assert/strict";
import { test } from "node:test";
import * as e from "../../web/regions/editing.mjs";
import { near, sound, TWO } from "./helpers.mjs";

const first = () => e.choose(e.opened(TWO), 0);
const boxes = (state) => state.regions.map(({ box }) => box);

const operations = {
  add: (state) => e.add(state, { box: [0, 0, 0.1, 0.1] }),
  "add in the middle": e.addInTheMiddle,
  remove: (state) => e.remove(state),
  duplicate: (state) => e.duplicate(state),
  reorder: (state) => e.reorder(state, 1),
  move: (state) => e.move(state, 0.1, 0.1),
  resize: (state) => e.resize(state, 0.1, 0.1),
  name: (state) => e.describe(state, "words", "blue dog"),
  prompt: (state) => e.describe(state, "prompt", "a meadow"),
  weigh: (state) => e.describe(state, "strength", 0.5),
  type: (state) => e.typed(state, '[{"box": [0, 0, 1, 1]}]'),
  "break the text": (state) => e.typed(state, "[{"),
};

for (const [name, does] of Object.entries(operations)) {
  test(`${name}: changes the text, and is undone and done again`, () => {
    const before = first();
    const after = does(before);
    [before, after].forEach(sound);
    assert.notEqual(after.text, before.text);
    const back = e.undone(after);
    assert.deepEqual([back.text, back.regions, back.chosen, back.problem], [before.text, before.regions, before.chosen, before.problem]);
    const again = e.redone(back);
    assert.deepEqual([again.text, again.regions, again.chosen, again.problem], [after.text, after.regions, after.chosen, after.problem]);
    assert.equal(before.text, TWO, "the state before is not touched");
  });
}

test("what each does", () => {
  assert.deepEqual(boxes(operations.move(first()))[0], [0.2, 0.3, 0.6, 1]);
  near(boxes(operations.duplicate(first()))[2], [0.13, 0.23, 0.53, 0.93]);
  assert.equal(operations.duplicate(first()).chosen, 2);
  assert.equal(operations.reorder(first()).chosen, 1);
  assert.equal(e.reorder(first(), -1).text, TWO);
  assert.equal(operations.remove(first()).chosen, 0);
  assert.equal(e.remove(operations.remove(first())).chosen, -1);
  assert.equal(e.addInTheMiddle(e.opened("")).regions.length, 1);
});

test("an empty word and a strength of 1 are not written; what is no number is not taken", () => {
  assert.deepEqual(e.describe(first(), "words", "").regions[0], { box: [0.1, 0.2, 0.5, 0.9] });
  const second = e.choose(e.opened(TWO), 1);
  assert.ok(!("strength" in e.describe(second, "strength", 1).regions[1]));
  assert.equal(e.describe(second, "strength", NaN), second);
  assert.equal(e.describe(e.opened(TWO), "words", "x").text, TWO);
});

test("numbers that nobody touches stay as they were written", () => {
  const state = e.choose(e.opened('[{"box": [0.123456789, 0, 1, 1]}, {"box": [0, 0, 0.5, 0.5]}]'), 1);
  assert.equal(e.move(state, 0.1, 0).regions[0].box[0], 0.123456789);
});

test("one tag is one step", () => {
  let state = first();
  for (const words of ["b", "bl", "blu", "blue"]) state = e.describe(state, "words", words, "words 0");
  assert.equal(state.past.length, 1);
  state = e.describe(e.settled(state), "words", "blue d", "words 0");
  assert.equal(state.past.length, 2);
  assert.equal(e.undone(e.undone(state)).text, TWO);
});

test("what came back to where it began leaves no step", () => {
  const state = e.settled(e.move(e.move(first(), 0.1, 0, "drag"), -0.1, 0, "drag"));
  assert.deepEqual([state.text, state.past.length], [TWO, 0]);
  const dropped = e.dropped(e.move(first(), 0.1, 0, "drag"), "drag");
  assert.deepEqual([dropped.text, dropped.past.length, dropped.future.length], [TWO, 0, 0]);
  assert.equal(e.dropped(first(), "drag").text, TWO);
});

test("a new change ends what could be done again; history has an end", () => {
  const state = e.move(e.undone(e.move(first(), 0.1, 0)), 0, 0.05);
  assert.equal(state.future.length, 0);
  assert.equal(e.redone(state), state);
  assert.equal(e.undone(first()).text, TWO);
  let long = first();
  for (let i = 0; i < 500; i++) long = e.move(long, i % 2 ? 0.01 : -0.01, 0);
  assert.equal(long.past.length, 200);
});

test("a broken text is never destroyed: nothing but the text and its history can be changed", () => {
  const state = e.opened('[{"box": [0, 0, 1, 1], "colour": "red"}]');
  assert.equal(state.problem.kind, "unknown");
  for (const [name, does] of Object.entries(operations)) if (!/type|break/.test(name)) assert.equal(does(state).text, state.text, name);
  const broken = e.typed(first(), "[{");
  assert.equal(e.undone(broken).text, TWO);
  assert.equal(e.typed(broken, TWO).problem, null);
});

test("a text from elsewhere begins anew; the same text changes nothing", () => {
  const state = e.move(first(), 0.1, 0);
  assert.equal(e.loaded(state, state.text), state);
  const other = e.loaded(state, '[{"box": [0, 0, 1, 1]}]');
  assert.deepEqual([other.regions.length, other.past.length, other.chosen], [1, 0, 0]);
});

test("the next region, and out behind the last", () => {
  let state = e.opened(TWO);
  assert.deepEqual([(state = e.chooseNext(state, 1)).chosen, (state = e.chooseNext(state, 1)).chosen, e.chooseNext(state, 1)], [0, 1, null]);
  assert.deepEqual([e.chooseNext(e.opened(TWO), -1).chosen, e.chooseNext(first(), -1), e.chooseNext(e.opened(""), 1)], [1, null, null]);
});
