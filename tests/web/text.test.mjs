import assert from "node:assert/strict";
import { test } from "node:test";
import { read, write } from "../../web/regions/text.mjs";
import { complaint, speaker, tables } from "../../web/regions/words.mjs";
import { TWO } from "./helpers.mjs";

test("what is read and written again is the same, one region a line", () => {
  const { regions, problem } = read(TWO);
  assert.equal(problem, null);
  assert.deepEqual(read(write(regions)).regions, regions);
  assert.equal(write(regions), '[\n  {"box": [0.1, 0.2, 0.5, 0.9], "words": "red cat"},\n  {"polygon": [[0.5, 0.1], [0.9, 0.1], [0.7, 0.8]], "strength": 1.5}\n]');
  const all = { box: [0, 0, 1, 1], words: 'a "b"\n', prompt: "c", negative: "d", strength: 0.3333333333, curve: "0:1, 1:0" };
  assert.deepEqual(read(write([all])).regions, [all]);
});

test("no text is no regions; null is not there", () => {
  assert.deepEqual([read(""), read(" \n"), read("[]")].map(({ regions, problem }) => [regions, problem]), Array(3).fill([[], null]));
  assert.equal(write([]), "[]");
  assert.deepEqual(read('[{"box": [0, 0, 1, 1], "polygon": null}]').regions, [{ box: [0, 0, 1, 1] }]);
});

const broken = [
  ["[{", "json"], ["{}", "list"], ["3", "list"], ["null", "list"], ["[3]", "region"], ["[null]", "region"], ["[[]]", "region"], ['[{"bax": 1}]', "unknown"],
  ['[{"box": [0, 0, 1]}]', "place"], ['[{"box": [0, 0, 1, "x"]}]', "place"], ['[{"box": [0, 0, 1e999, 1]}]', "place"], ['[{"words": "cat"}]', "place"],
  ['[{"box": [0, 0, true, 1]}]', "place"], ['[{"box": [0, 0, 1, 1], "polygon": [[0, 0], [1, 0], [0, 1]]}]', "place"], ['[{"polygon": [[0, 0], [1, 1]]}]', "place"],
  ['[{"polygon": "abc"}]', "place"], ['[{"box": [0.5, 0, 0.5, 1]}]', "away"], ['[{"box": [1.2, 0, 2, 1]}]', "away"], ['[{"box": [0, 0, 1, 1], "strength": "x"}]', "strength"],
  ['[{"box": [0, 0, 1, 1], "words": 3}]', "words"], ['[{"box": [0, 0, 1, 1], "curve": null}]', "words"],
];

test("what is no region is said, in both languages, and nothing is made of it", () => {
  for (const [text, kind] of broken) {
    const { regions, problem } = read(text);
    assert.deepEqual([regions, problem?.kind], [[], kind], text);
    for (const language of ["en", "zh"]) assert.doesNotMatch(complaint(speaker(language), problem), /[{]\w+[}]|undefined/, text);
  }
  assert.equal(read(`[{"box": [0, 0, 1, 1]}, {"box": 1}]`).problem.number, 2);
});

test("both languages say everything, with the same values", () => {
  const [english, chinese] = tables;
  assert.deepEqual(Object.keys(english), Object.keys(chinese));
  const values = (text) => (text.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(english)) {
    assert.deepEqual(values(chinese[key]), values(english[key]), key);
    assert.match(chinese[key], /[一-鿿]/, key);
  }
  assert.equal(speaker("zh-TW")("words"), chinese.words);
  assert.equal(speaker(undefined)("words"), english.words);
});
