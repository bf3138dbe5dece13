"""JSON Schema of what ComfyUI's editor saves (UI format 0.4), as far as it checks a file when it loads one."""

from __future__ import annotations

from typing import Any


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": required | optional}


def _tuple(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": list(items), "minItems": len(items), "maxItems": len(items)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


NUMBER, WHOLE, TEXT = {"type": "number"}, {"type": "integer"}, {"type": "string", "minLength": 1}
HTTPS = {"type": "string", "pattern": "^https://huggingface\\.co/[^/]+/[^/]+/resolve/main/[^?]+$"}
MODEL = _object({"name": TEXT, "url": HTTPS, "directory": TEXT}, hash={"type": "string", "pattern": "^[0-9a-f]{64}$"}, hash_type={"const": "SHA256"})
MODEL["dependentRequired"] = {"hash": ["hash_type"], "hash_type": ["hash"]}

INPUT = _object({"name": TEXT, "type": TEXT, "link": {"type": ["integer", "null"]}}, widget=_object({"name": TEXT}), shape=WHOLE)
OUTPUT = _object({"name": TEXT, "type": TEXT, "links": {"oneOf": [{"type": "null"}, _list(WHOLE) | {"minItems": 1}]}})
PROPERTIES = _object({}, **{"Node name for S&R": TEXT, "cnr_id": {"enum": ["concord", "comfy-core"]}, "models": _list(MODEL)})
NODE = _object(
    {"id": WHOLE, "type": TEXT, "pos": _tuple(NUMBER, NUMBER), "size": _tuple(NUMBER, NUMBER), "flags": {"type": "object"}, "order": WHOLE,
     "mode": {"const": 0}, "inputs": _list(INPUT), "outputs": _list(OUTPUT), "properties": PROPERTIES},
    title=TEXT, widgets_values={"type": "array"},
)  # fmt: skip
GROUP = _object({"title": TEXT, "bounding": _tuple(NUMBER, NUMBER, NUMBER, NUMBER), "color": TEXT}, id=WHOLE, font_size=NUMBER)
VIEW = _object({"scale": NUMBER, "offset": _tuple(NUMBER, NUMBER)})
WORKFLOW = _object(
    {"version": {"const": 0.4}, "last_node_id": WHOLE, "last_link_id": WHOLE, "nodes": _list(NODE) | {"minItems": 1},
     "links": _list(_tuple(WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, TEXT)), "groups": _list(GROUP), "extra": _object({"ds": VIEW})},
    id={"type": "string", "pattern": "^[0-9a-f-]{36}$"}, revision=WHOLE,
)  # fmt: skip
