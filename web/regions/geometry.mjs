/**
 * Places in fractions of the picture: {box: [x0, y0, x1, y1]} or {polygon: [[x, y], ..]}, x to the right, y down.
 *
 * A place may lie partly off the picture, never wholly; what a hand makes is rounded to four digits. Nothing here changes what it is given.
 */

export const LEAST = 0.01; // the smallest side that a hand can make
export const INSIDE = 0.02; // how much of a place stays on the picture when it is pushed off
export const FAR = [-1, 2]; // how far off the picture a side or a corner may be put
export const HANDLES = { nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5] };
const SAMPLES = 256; // of the picture's side: what the pack itself looks at when it asks whether a place is empty

export const round = (number) => Math.round(number * 1e4) / 1e4 + 0; // + 0: never -0
export const clamp = (number, least, most) => Math.max(least, Math.min(most, number));

/** The box around a place. */
export function bounds(place) {
  if (place.box) return place.box;
  const xs = place.polygon.map(([x]) => x);
  const ys = place.polygon.map(([, y]) => y);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

export function area(place) {
  const [x0, y0, x1, y1] = bounds(place);
  return (x1 - x0) * (y1 - y0);
}

/** Whether a point lies inside; of a polygon that crosses itself, every second part does. */
export function contains(place, [x, y]) {
  if (place.box) return x >= place.box[0] && x < place.box[2] && y >= place.box[1] && y < place.box[3];
  return crossings(place.polygon, y).filter((at) => at <= x).length % 2 === 1;
}

/** Where the line at height y meets the outline. */
function crossings(polygon, y) {
  const found = [];
  polygon.forEach(([ax, ay], i) => {
    const [bx, by] = polygon[(i + 1) % polygon.length];
    if (ay <= y !== by <= y) found.push(ax + ((y - ay) / (by - ay)) * (bx - ax));
  });
  return found.sort((a, b) => a - b);
}

/** Whether a place covers anything of the picture, as the pack will ask. */
export function covers(place) {
  if (place.box) {
    const [x0, y0, x1, y1] = place.box;
    return x0 < x1 && y0 < y1 && x0 < 1 && y0 < 1 && x1 > 0 && y1 > 0;
  }
  for (let row = 0; row < SAMPLES; row++) {
    const at = crossings(place.polygon, (row + 0.5) / SAMPLES);
    for (let i = 0; i + 1 < at.length; i += 2) {
      const first = Math.max(0, Math.ceil(at[i] * SAMPLES - 0.5)); // the first middle of a cell that is not to the left
      if (first < SAMPLES && (first + 0.5) / SAMPLES < at[i + 1]) return true;
    }
  }
  return false;
}

/** The place elsewhere; it stops where it would leave the picture. */
export function moved(place, dx, dy) {
  const [x0, y0, x1, y1] = bounds(place);
  const stepX = along(x0, x1, dx);
  const stepY = along(y0, y1, dy);
  if (place.box) {
    const [x, y] = [round(x0 + stepX), round(y0 + stepY)];
    return sound(place, { ...place, box: [x, y, round(x + (x1 - x0)), round(y + (y1 - y0))] });
  }
  return sound(place, { ...place, polygon: place.polygon.map(([x, y]) => [round(x + stepX), round(y + stepY)]) });
}

function along(start, end, step) {
  const kept = Math.min(INSIDE, end - start);
  return clamp(step, kept - end, 1 - kept - start);
}

/** The place with one of its eight handles elsewhere; the sides across from it stay. */
export function resized(place, handle, dx, dy) {
  const [h, v] = HANDLES[handle];
  const [x0, y0, x1, y1] = bounds(place);
  const [left, right] = sides(x0, x1, h, dx);
  const [top, bottom] = sides(y0, y1, v, dy);
  if (place.box) return sound(place, { ...place, box: [left, top, right, bottom] });
  const onto = (value, from, to, first, last) => round(first + ((value - from) / (to - from)) * (last - first));
  return sound(place, { ...place, polygon: place.polygon.map(([x, y]) => [onto(x, x0, x1, left, right), onto(y, y0, y1, top, bottom)]) });
}

function sides(start, end, which, step) {
  if (which === 0) return [round(clamp(start + step, FAR[0], Math.min(end - LEAST, 1 - INSIDE))), end];
  if (which === 1) return [start, round(clamp(end + step, Math.max(start + LEAST, INSIDE), FAR[1]))];
  return [start, end];
}

/** A polygon with one corner elsewhere. */
export function withCorner(place, corner, [x, y]) {
  const to = [round(clamp(x, ...FAR)), round(clamp(y, ...FAR))];
  return sound(place, { ...place, polygon: place.polygon.map((point, i) => (i === corner ? to : point)) });
}

/** What was made, unless nothing would be left of it: then what was there. */
function sound(before, made) {
  return covers(made) ? made : before;
}

/** The box between two points, or null where it is too small or off the picture. */
export function boxBetween([ax, ay], [bx, by]) {
  const side = (a, b) => [round(clamp(Math.min(a, b), ...FAR)), round(clamp(Math.max(a, b), ...FAR))];
  const [x0, x1] = side(ax, bx);
  const [y0, y1] = side(ay, by);
  const kept = (start, end) => Math.min(end, 1) - Math.max(start, 0) >= LEAST;
  return kept(x0, x1) && kept(y0, y1) ? { box: [x0, y0, x1, y1] } : null;
}

/** The polygon through these points, or null where it covers nothing. */
export function polygonThrough(points) {
  const polygon = points.map(([x, y]) => [round(clamp(x, ...FAR)), round(clamp(y, ...FAR))]);
  return polygon.length >= 3 && covers({ polygon }) ? { polygon } : null;
}

/** What can be dragged: a box has eight handles, a polygon its corners. [{handle | corner, at}] */
export function grips(place) {
  if (place.polygon) return place.polygon.map((at, corner) => ({ corner, at }));
  const [x0, y0, x1, y1] = place.box;
  return Object.entries(HANDLES).map(([handle, [h, v]]) => ({ handle, at: [x0 + h * (x1 - x0), y0 + v * (y1 - y0)] }));
}

/** The grip at a point, if any; inside a small place grips are smaller, so that its middle can still be dragged. reach: [x, y] in fractions. */
export function gripAt(place, [x, y], reach) {
  const [x0, y0, x1, y1] = bounds(place);
  const within = contains(place, [x, y]) ? [Math.min(reach[0], (x1 - x0) / 4), Math.min(reach[1], (y1 - y0) / 4)] : reach;
  const near = grips(place)
    .map((grip) => ({ ...grip, far: Math.max(Math.abs(grip.at[0] - x) / within[0], Math.abs(grip.at[1] - y) / within[1]) }))
    .filter((grip) => grip.far <= 1)
    .sort((a, b) => a.far - b.far);
  return near[0] ?? null;
}

/** The numbers of the places at a point, the smallest first. */
export function placesAt(places, point) {
  const found = places.map((_, i) => i).filter((i) => contains(places[i], point));
  return found.sort((a, b) => area(places[a]) - area(places[b]) || b - a);
}

/** A point pulled onto the picture's edge where that is near. */
export function snapped([x, y], reach) {
  const pull = (value, near) => (Math.abs(value) < near ? 0 : Math.abs(value - 1) < near ? 1 : value);
  return [pull(x, reach[0]), pull(y, reach[1])];
}
