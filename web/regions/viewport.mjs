/** Where the picture lies on the screen: from CSS pixels to fractions and back, at every zoom and pixel density. */

const MOST = 4096; // pixels of a canvas side, which every browser has

/** The picture's rectangle in an area of width x height CSS pixels, with a margin for what lies off the picture. aspect: width / height. */
export function frame(width, height, aspect, margin) {
  const [w, h] = [Math.max(1, width - 2 * margin), Math.max(1, height - 2 * margin)];
  const made = w / h > aspect ? [h * aspect, h] : [w, w / aspect];
  return { x: (width - made[0]) / 2, y: (height - made[1]) / 2, width: made[0], height: made[1] };
}

/** The fraction of the picture at a pointer. rect: the area as the screen shows it, zoomed; size: the area's own size; shown: its frame. */
export function fraction(pointer, rect, size, shown) {
  const x = ((pointer.clientX - rect.left) / rect.width) * size.width;
  const y = ((pointer.clientY - rect.top) / rect.height) * size.height;
  return [(x - shown.x) / shown.width, (y - shown.y) / shown.height];
}

/** So many pixels of the screen as fractions of the picture. */
export function reach(pixels, rect, size, shown) {
  return [((pixels / rect.width) * size.width) / shown.width, ((pixels / rect.height) * size.height) / shown.height];
}

/** How many pixels a CSS pixel of the area's own has: sharp at the screen's density and the graph's zoom. */
export function density(rect, size, devicePixelRatio) {
  const zoom = size.width ? rect.width / size.width : 1;
  const wanted = devicePixelRatio * Math.max(1, Math.min(zoom, 3));
  return Math.max(0.1, Math.min(wanted, MOST / Math.max(size.width, size.height, 1)));
}

/** The part of a background picture that fills the frame: its middle, cut as hints of ControlNets are. -> {x, y, width, height} in its pixels */
export function middle(width, height, aspect) {
  const made = width / height > aspect ? [height * aspect, height] : [width, width / aspect];
  return { x: (width - made[0]) / 2, y: (height - made[1]) / 2, width: made[0], height: made[1] };
}
