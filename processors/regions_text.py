"""Regions as text, and as the boxes of other nodes."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ConcordError
from .regions import Region
from .schedule import Curve

KEYS = ("box", "polygon", "words", "prompt", "negative", "strength", "curve")
SIDES = ("x", "y", "width", "height")
EXAMPLE = '[{"box": [0.1, 0.2, 0.5, 0.9], "words": "red cat"}]'


def parse(text: str) -> tuple[Region, ...]:
    """A JSON list of regions -> regions; an empty text -> none.

    Each has "box": [x0, y0, x1, y1] or "polygon": [[x, y], ..] in fractions of the picture, and may have "words" (of the main prompt), "prompt",
    "negative" (texts of its own), "strength" (1) and "curve" ("0:1, 0.5:0").
    """
    try:
        made = json.loads(text) if text.strip() else []
    except json.JSONDecodeError as error:
        raise ConcordError(f"the regions cannot be read (line {error.lineno}, column {error.colno}: {error.msg}); they are a list such as {EXAMPLE}") from error
    if not isinstance(made, list):
        raise ConcordError(f"the regions are a {type(made).__name__}, but should be a list such as {EXAMPLE}")
    return tuple(region(item, number) for number, item in enumerate(made, 1))


def region(item: Any, number: int) -> Region:
    if not isinstance(item, Mapping):
        raise ConcordError(f"region {number} is {item!r}; a region looks so: {EXAMPLE[1:-1]}")
    if unknown := sorted(set(item) - set(KEYS)):
        raise ConcordError(f"region {number} has {', '.join(map(repr, unknown))}, which nobody knows; a region may have {', '.join(KEYS)}")
    words, prompt, negative, curve = (item.get(key, "") for key in ("words", "prompt", "negative", "curve"))
    if wrong := next((key for key in ("words", "prompt", "negative", "curve") if not isinstance(item.get(key, ""), str)), None):
        raise ConcordError(f"the {wrong} of region {number} is {item[wrong]!r}; write a text")
    strength = item.get("strength", 1.0)
    if not is_number(strength):
        raise ConcordError(f"the strength of region {number} is {strength!r}; write a number, 1 is normal")
    box = numbers(item["box"], 4, f"the box of region {number}", "four numbers: left, top, right, bottom") if item.get("box") is not None else None
    corners = item.get("polygon") or ()
    if not isinstance(corners, Sequence) or isinstance(corners, str):
        raise ConcordError(f"the polygon of region {number} is {corners!r}; write its corners: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]")
    polygon = tuple(numbers(corner, 2, f"a corner of region {number}", "two numbers: x, y") for corner in corners)
    return Region(box=box, polygon=polygon, words=words, prompt=prompt, negative=negative, strength=float(strength), curve=Curve.parse(curve))


def numbers(value: Any, count: int, what: str, wanted: str) -> Any:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count or not all(map(is_number, value)):
        raise ConcordError(f"{what} is {value!r}; it should be {wanted}, in fractions of the picture from 0 to 1")
    return tuple(map(float, value))


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def from_boxes(boxes: Any, width: int, height: int, words: Sequence[str] = ()) -> tuple[Region, ...]:
    """ComfyUI's bounding boxes ({x, y, width, height} in pixels of a picture, perhaps with metadata; also a list of them for each picture, of which the
    first counts) -> regions. words: of the first box, the second, and so on; else those that the box says itself."""
    if isinstance(boxes, Mapping):
        boxes = [boxes]
    if isinstance(boxes, Sequence) and boxes and isinstance(boxes[0], Sequence):
        boxes = boxes[0]
    if not isinstance(boxes, Sequence) or not all(isinstance(box, Mapping) and all(is_number(box.get(key)) for key in SIDES) for box in boxes):
        raise ConcordError(f"bounding boxes were expected, each with x, y, width and height in pixels, got {boxes!r:.200}")
    return tuple(Region(box=(box["x"] / width, box["y"] / height, (box["x"] + box["width"]) / width, (box["y"] + box["height"]) / height),
                        words=words[i] if i < len(words) else said(box)) for i, box in enumerate(boxes))


def said(box: Mapping[str, Any]) -> str:
    """What ComfyUI's box editor, or a detector, writes beside a box."""
    metadata = box.get("metadata")
    told = metadata.get("desc") or metadata.get("text") if isinstance(metadata, Mapping) else box.get("label")
    return str(told or "")


def to_boxes(regions: Sequence[Region], width: int, height: int) -> list[dict[str, Any]]:
    """The boxes around regions, as ComfyUI's nodes take them: whole pixels of a picture of that size."""
    made = []
    for one in regions:
        x0, y0, x1, y1 = one.bounds
        x, y = round(x0 * width), round(y0 * height)
        text = one.words or (one.prompt if isinstance(one.prompt, str) else "")
        made.append({"x": x, "y": y, "width": max(1, round(x1 * width) - x), "height": max(1, round(y1 * height) - y),
                     "metadata": {"type": "obj", "text": "", "desc": text, "palette": []}})
    return made
