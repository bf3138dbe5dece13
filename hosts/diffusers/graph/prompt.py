"""A workflow in API form, whatever form it was written in, and what can be said about how it got there."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .registry import Registry

Call = dict[str, Any]  # {"class_type": str, "inputs": {name: value | [node id, slot]}, "_meta": {"title": str}}


@dataclass
class Prompt:
    """API-format calls by node id, with the reasons for inputs that carry nothing, problems found while reading, and remarks."""

    calls: dict[str, Call]
    missing: dict[tuple[str, str], str] = field(default_factory=dict)  # (node, input) -> why nothing comes
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def link_of(value: Any) -> tuple[str, int] | None:
    """(node, slot) if an input's value is a link; a list is always one in API format."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int) and type(value[1]) is int:
        return str(value[0]), value[1]
    return None


def named(calls: dict[str, Call], id: str, registry: Registry | None = None) -> str:
    """`node 3 (KSampler "My title")`: how every message names a node."""
    call = calls[id]
    kind = call["class_type"]
    meta = call.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    known = registry.get(kind) if registry else None
    return f"node {id} ({kind}{f' {title!r}' if title and title not in (kind, known and known.title) else ''})"
