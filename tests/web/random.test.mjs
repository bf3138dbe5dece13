/** Whatever a hand does, in any order: the regions stay sound, the text says them, and everything can be undone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { redone, undone } from "../../web/regions/editing.mjs";
import { TWO, sound } from "./helpers.mjs";
import { walk } from "./walk.mjs";

for (let seed = 1; seed <= 40; seed++) {
  test(`seed ${seed}`, () => {
    let last;
    for (const state of walk(seed, 120, TWO)) {
      sound(state);
      if (state.past.length) assert.equal(redone(undone(state)).text, state.text);
      last = state;
    }
    assert.ok(last.past.length < 200, "all of it can be undone");
    const text = last.text;
    let [steps, back] = [0, last];
    for (; back.past.length; steps++) sound((back = undone(back)));
    assert.equal(back.text, TWO);
    for (; steps; steps--) back = redone(back);
    assert.equal(back.text, text);
  });
}
