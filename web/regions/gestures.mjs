/**
 * What a pointer and the keyboard mean: state in, state out. Points and reaches ([x, y], how near is near) are fractions of the picture.
 *
 * A gesture goes press -> drag -> .. -> release (or cancel), and is one step of the history.
 */
import { add, addInTheMiddle, choose, chooseNext, dropped, duplicate, move, redone, remove, reorder, replace, resize, settled, undone } from "./editing.mjs";
import { boxBetween, gripAt, moved, placesAt, polygonThrough, resized, snapped, withCorner } from "./geometry.mjs";

/** drawing: draw a new box, whatever lies here. -> {state, gesture} */
export function press(state, point, reach, drawing = false) {
  const gesture = { from: point, reach, far: false, tag: {} };
  const chosen = state.regions[state.chosen];
  const grip = !drawing && chosen && gripAt(chosen, point, reach);
  if (grip) return { state, gesture: { ...gesture, kind: grip.handle ? "resize" : "corner", start: chosen, grip } };
  const stack = drawing ? [] : placesAt(state.regions, point);
  if (!stack.length) return { state, gesture: { ...gesture, kind: "draw" } };
  const index = stack.includes(state.chosen) ? state.chosen : stack[0];
  const below = index === state.chosen ? stack[(stack.indexOf(index) + 1) % stack.length] : index;
  return { state: choose(state, index), gesture: { ...gesture, kind: "move", start: state.regions[index], below } };
}

/** What the pointer would do here, as a CSS cursor. */
export function cursor(state, point, reach) {
  const chosen = state.regions[state.chosen];
  const grip = chosen && gripAt(chosen, point, reach);
  if (grip) return grip.handle ? `${grip.handle}-resize` : "pointer";
  return placesAt(state.regions, point).length ? "move" : "crosshair";
}

export function drag(state, gesture, point) {
  const { from, reach, start, tag } = gesture;
  const [dx, dy] = [point[0] - from[0], point[1] - from[1]];
  const far = gesture.far || Math.abs(dx) > reach[0] / 3 || Math.abs(dy) > reach[1] / 3; // a finger trembles
  if (!far) return { state, gesture };
  const on = { ...gesture, far };
  const near = reach.map((size) => size / 2);
  if (gesture.kind === "draw") {
    const box = boxBetween(snapped(from, near), snapped(point, near));
    if (!box) return { state, gesture: on };
    return { state: state.tag === tag ? replace(state, state.chosen, box, tag) : add(state, box, tag), gesture: on };
  }
  if (gesture.kind === "move") return { state: replace(state, state.chosen, moved(start, dx, dy), tag), gesture: on };
  const { at } = gesture.grip;
  const to = snapped([at[0] + dx, at[1] + dy], near);
  const made = gesture.kind === "corner" ? withCorner(start, gesture.grip.corner, to) : resized(start, gesture.grip.handle, to[0] - at[0], to[1] - at[1]);
  return { state: replace(state, state.chosen, made, tag), gesture: on };
}

/** A press without a drag chooses: beside every region none, on several the next below. */
export function release(state, gesture) {
  if (gesture.far) return settled(state);
  if (gesture.kind === "draw") return choose(state, -1);
  return gesture.kind === "move" ? choose(state, gesture.below) : state;
}

export function cancel(state, gesture) {
  return dropped(state, gesture.tag);
}

/** A further corner of a polygon that is being drawn; on its first corner it is closed. -> {points, state}; points is null when it is done. */
export function corner(state, points, point, reach) {
  const back = points.length > 2 && Math.abs(point[0] - points[0][0]) <= reach[0] && Math.abs(point[1] - points[0][1]) <= reach[1];
  return back ? closed(state, points) : { state, points: [...points, snapped(point, reach.map((size) => size / 2))] };
}

export function closed(state, points) {
  const made = polygonThrough(points);
  return { state: made ? add(state, made) : state, points: null };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** What a key does: the state after it, or null where the key is not ours. {key, shiftKey, altKey, ctrlKey, metaKey} */
export function keyed(state, { key, shiftKey, altKey, ctrlKey, metaKey }) {
  const letter = key.toLowerCase();
  if (ctrlKey || metaKey) {
    if (letter === "z") return shiftKey ? redone(state) : undone(state);
    if (letter === "y") return redone(state);
    if (letter === "d") return duplicate(state);
    return null;
  }
  if (key === "Tab") return chooseNext(state, shiftKey ? -1 : 1);
  if (key === "Insert" || letter === "n") return addInTheMiddle(state);
  if (key === "Delete" || key === "Backspace") return remove(state); // ours also where no region is chosen: the graph would delete the node
  if (state.chosen < 0) return null;
  if (ARROWS[key]) {
    const [dx, dy] = ARROWS[key].map((way) => way * (altKey ? 0.001 : 0.01));
    return shiftKey ? resize(state, dx, dy, "se", `resize ${state.chosen}`) : move(state, dx, dy, `move ${state.chosen}`);
  }
  if (key === "Escape") return choose(state, -1);
  if (key === "[" || key === "]") return reorder(state, key === "[" ? -1 : 1);
  return null;
}
