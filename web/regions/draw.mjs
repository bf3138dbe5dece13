/** Draws the state of an editor on a canvas. Knows a 2D context, nothing of a page. */
import { grips } from "./geometry.mjs";
import { middle } from "./viewport.mjs";

const COLOURS = ["#ffd23f", "#4cc9f0", "#ff7b7b", "#80ed99", "#d0a2ff", "#ff9f1c", "#ff8fc7", "#c8d6e5"]; // light, each line with a dark one around it
const HALO = "rgba(0, 0, 0, 0.75)";

export const colour = (index) => COLOURS[index % COLOURS.length];

/**
 * scene: {state, shown (the frame), size, density, picture (an image or null), points (of a polygon that is being drawn, or null), pointer (where that
 * goes on), theme: {ground, paper, line}}.
 */
export function draw(context, scene) {
  const { state, shown, size, density, theme } = scene;
  context.setTransform(density, 0, 0, density, 0, 0);
  context.fillStyle = theme.ground;
  context.fillRect(0, 0, size.width, size.height);
  paper(context, scene);
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.strokeRect(shown.x - 0.5, shown.y - 0.5, shown.width + 1, shown.height + 1);
  state.regions.forEach((region, i) => i !== state.chosen && place(context, shown, region, i, false));
  if (state.regions[state.chosen]) place(context, shown, state.regions[state.chosen], state.chosen, true);
  if (scene.points) sketch(context, shown, [...scene.points, ...(scene.pointer ? [scene.pointer] : [])], state.regions.length);
}

function paper(context, { shown, picture, theme }) {
  context.fillStyle = theme.paper;
  context.fillRect(shown.x, shown.y, shown.width, shown.height);
  if (picture) {
    const part = middle(picture.naturalWidth, picture.naturalHeight, shown.width / shown.height);
    context.drawImage(picture, part.x, part.y, part.width, part.height, shown.x, shown.y, shown.width, shown.height);
    return;
  }
  context.strokeStyle = theme.line;
  context.lineWidth = 0.5;
  context.beginPath(); // thirds, to find one's way
  for (const part of [1 / 3, 2 / 3]) {
    context.moveTo(shown.x + part * shown.width, shown.y);
    context.lineTo(shown.x + part * shown.width, shown.y + shown.height);
    context.moveTo(shown.x, shown.y + part * shown.height);
    context.lineTo(shown.x + shown.width, shown.y + part * shown.height);
  }
  context.stroke();
}

const onto = (shown, [x, y]) => [shown.x + x * shown.width, shown.y + y * shown.height];

function outline(context, shown, region) {
  const [x0, y0, x1, y1] = region.box ?? [];
  const points = region.polygon ?? [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  context.beginPath();
  points.forEach((point, i) => (i ? context.lineTo(...onto(shown, point)) : context.moveTo(...onto(shown, point))));
  context.closePath();
}

function stroke(context, width, style) {
  context.lineWidth = width + 2;
  context.strokeStyle = HALO;
  context.stroke();
  context.lineWidth = width;
  context.strokeStyle = style;
  context.stroke();
}

function place(context, shown, region, index, chosen) {
  const strength = region.strength ?? 1;
  outline(context, shown, region);
  context.fillStyle = colour(index);
  context.globalAlpha = 0.08 + 0.2 * Math.min(Math.abs(strength), 2) / 2;
  context.fill("evenodd");
  context.globalAlpha = 1;
  context.setLineDash(strength ? [] : [6, 5]); // off
  stroke(context, chosen ? 2.5 : 1.5, colour(index));
  context.setLineDash([]);
  label(context, shown, region, index, strength);
  if (chosen) for (const { at, handle } of grips(region)) grip(context, onto(shown, at), handle, index);
}

function grip(context, [x, y], handle, index) {
  context.beginPath();
  if (handle) context.rect(x - 4, y - 4, 8, 8);
  else context.arc(x, y, 5, 0, 2 * Math.PI);
  context.fillStyle = colour(index);
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = "#000";
  context.stroke();
}

function label(context, shown, region, index, strength) {
  const [x0, y0] = region.box ?? region.polygon.reduce((highest, corner) => (corner[1] < highest[1] ? corner : highest));
  const said = [`${index + 1}`, region.words || region.prompt, strength !== 1 && `×${Math.round(strength * 100) / 100}`].filter(Boolean).join(" ");
  const text = said.length > 34 ? `${said.slice(0, 33)}…` : said;
  context.font = "600 12px sans-serif";
  const width = context.measureText(text).width + 8;
  const [left, top] = onto(shown, [Math.max(x0, 0), Math.max(y0, 0)]);
  const x = Math.max(shown.x, Math.min(left, shown.x + shown.width - width));
  const y = Math.max(shown.y, Math.min(top, shown.y + shown.height - 18));
  context.fillStyle = colour(index);
  context.fillRect(x, y, width, 18);
  context.fillStyle = "#111";
  context.textBaseline = "middle";
  context.fillText(text, x + 4, y + 9.5);
}

function sketch(context, shown, points, index) {
  context.beginPath();
  points.forEach((point, i) => (i ? context.lineTo(...onto(shown, point)) : context.moveTo(...onto(shown, point))));
  stroke(context, 2, colour(index));
  points.forEach((point) => grip(context, onto(shown, point), null, index));
}
