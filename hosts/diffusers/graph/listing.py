"""Nodes in words: the table of all, and one with everything it takes and gives."""
from __future__ import annotations

from textwrap import wrap
from typing import Any

from ....processors.errors import ConcordError
from .registry import NodeType, Registry, is_widget
from .values import wanted


def table(registry: Registry) -> str:
    """One line a node: id, title, first sentence of its description; ours first."""
    rows = sorted(registry.types.values(), key=lambda t: (not t.id.startswith("Concord_"), t.id))
    wide = max(len(t.id) for t in rows)
    named = max(len(t.title) for t in rows)
    return "\n".join(f"{t.id:{wide}}  {t.title:{named}}  {_first_sentence(t)}".rstrip() for t in rows)


def describe(registry: Registry, name: str) -> str:
    """A node by id or title, with its inputs and outputs."""
    found = registry.get(name) or next((t for t in registry.types.values() if name.lower() in (t.id.lower(), t.title.lower())), None)
    if found is None:
        close = registry.closest(name)
        raise ConcordError(f'no node has the id or title "{name}"; {f"did you mean {close[0]}?" if close else "`concord nodes` lists all"}')
    lines = [f"{found.id}: {found.title} ({found.schema.category})", *wrap(found.schema.description or "", 100), "", "inputs"]
    for taken in found.schema.inputs:
        lines += [f"  {taken.id}: {_input(taken)}", *(f"      {line}" for line in wrap(taken.tooltip or "", 100))]
    lines += ["outputs"] if found.outputs else []
    for given in found.outputs:
        lines += [f"  {given.display_name or given.io_type}: {given.io_type}", *(f"      {line}" for line in wrap(given.tooltip or "", 100))]
    return "\n".join(lines)


def _input(taken: Any) -> str:
    default = f", at first {taken.default!r}" if is_widget(taken) and taken.default is not None else ""
    return f"{wanted(taken)}{default}{', optional' if taken.optional else ''}"


def _first_sentence(known: NodeType) -> str:
    text = (known.schema.description or "").split(". ")[0].strip()
    return text if text.endswith(".") or not text else f"{text}."
