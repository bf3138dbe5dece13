/**
 * The text that the workflow keeps <-> regions. A region: {box | polygon, words?, prompt?, negative?, strength?, curve?}.
 *
 * What cannot be understood is reported, never repaired: read() gives {regions, problem}, where a problem {kind, number?, detail?} says that the
 * text has to stay as it is.
 */
import { covers } from "./geometry.mjs";

export const KEYS = ["box", "polygon", "words", "prompt", "negative", "strength", "curve"];
const TEXTS = ["words", "prompt", "negative", "curve"];

export function read(text) {
  let items = [];
  try {
    if (text.trim()) items = JSON.parse(text);
  } catch (error) {
    return { regions: [], problem: { kind: "json", detail: error.message } };
  }
  if (!Array.isArray(items)) return { regions: [], problem: { kind: "list" } };
  const regions = [];
  for (const [i, item] of items.entries()) {
    const { region, kind, detail } = understood(item);
    if (kind) return { regions: [], problem: { kind, detail, number: i + 1 } };
    regions.push(region);
  }
  return { regions, problem: null };
}

function understood(item) {
  if (item === null || typeof item !== "object" || Array.isArray(item)) return { kind: "region" };
  const region = Object.fromEntries(Object.entries(item).filter(([key, value]) => !(value === null && (key === "box" || key === "polygon"))));
  const unknown = Object.keys(region).filter((key) => !KEYS.includes(key));
  if (unknown.length) return { kind: "unknown", detail: unknown.join(", ") };
  const wrong = TEXTS.find((key) => key in region && typeof region[key] !== "string");
  if (wrong) return { kind: "words", detail: wrong };
  if ("strength" in region && !Number.isFinite(region.strength)) return { kind: "strength" };
  const box = "box" in region && numbers(region.box, 4);
  const polygon = "polygon" in region && Array.isArray(region.polygon) && region.polygon.length >= 3 && region.polygon.every((point) => numbers(point, 2));
  if (("box" in region) === ("polygon" in region) || !(box || polygon)) return { kind: "place" };
  return covers(region) ? { region } : { kind: "away" };
}

function numbers(value, count) {
  return Array.isArray(value) && value.length === count && value.every(Number.isFinite);
}

/** One region a line, in an order that people can read. */
export function write(regions) {
  if (!regions.length) return "[]";
  return `[\n${regions.map((region) => `  ${line(region)}`).join(",\n")}\n]`;
}

function line(region) {
  const said = KEYS.filter((key) => key in region).map((key) => `"${key}": ${spaced(region[key])}`);
  return `{${said.join(", ")}}`;
}

function spaced(value) {
  return Array.isArray(value) ? `[${value.map(spaced).join(", ")}]` : JSON.stringify(value);
}
