"""Follows wires of a drawn workflow back to what really feeds an input: through reroutes, bypassed nodes, primitives and subgraph ends."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .drawing import BYPASSED, INPUTS, MUTED, OUTPUTS, Drawing, Node, Slot, joined

REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"
NOTES = frozenset({"Note", "MarkdownNote"})
VIRTUAL = NOTES | {REROUTE, PRIMITIVE}


@dataclass(frozen=True)
class Wire:
    """Output `slot` of node `node`."""

    node: str
    slot: int


@dataclass(frozen=True)
class Literal:
    """A value that the drawing holds itself: of a primitive, or of a widget that a subgraph node shows."""

    value: Any


@dataclass(frozen=True)
class Nothing:
    """The wire carries nothing, and why; `muted` when it is switched off on purpose, `broken` when the file is wrong."""

    why: str
    muted: bool = False
    broken: bool = False


Source = Wire | Literal | Nothing


def source(drawing: Drawing, node: Node, index: int) -> Source | None:
    """What feeds input number `index` of a node; None when no wire ends there."""
    seen: set[tuple[str, str, int]] = set()
    side = "in"
    wanted = node.inputs[index].type
    while True:
        if (side, node.id, index) in seen:
            return Nothing(f"its wire runs in a circle through {_named(node)}", broken=True)
        seen.add((side, node.id, index))
        step = _upstream(drawing, node, index) if side == "in" else _through(drawing, node, index, wanted)
        if not isinstance(step, tuple):
            return step
        side, node, index = step


Step = tuple[str, Node, int] | Source | None


def _upstream(drawing: Drawing, node: Node, index: int) -> Step:
    """One wire back from an input."""
    slot = node.inputs[index]
    if slot.link is None:
        return _promoted(drawing, node, slot)
    link = drawing.links[node.scope].get(str(slot.link))
    if link is None:
        return Nothing(f"link {slot.link} leads nowhere: the file has no such link", broken=True)
    return _from(drawing, node.scope, link.origin, link.slot)


def _from(drawing: Drawing, scope: str, origin: str, slot: int) -> Step:
    if origin == INPUTS and scope:
        outer = drawing.nodes[scope]
        names = drawing.subgraphs[scope]
        matches = [i for i, s in enumerate(outer.inputs) if slot < len(names) and s.name == names[slot]]
        return ("in", outer, matches[0]) if matches else None
    giver = drawing.nodes.get(joined(scope, origin))
    return ("out", giver, slot) if giver else Nothing(f"its wire comes from node {joined(scope, origin)}, which the file does not have", broken=True)


def _through(drawing: Drawing, node: Node, slot: int, wanted: str) -> Step:
    """From an output to what stands behind it."""
    if node.mode == MUTED:
        return Nothing(f"{_named(node)} is muted", muted=True)
    if node.mode == BYPASSED:
        index = _passing(node, slot, wanted)
        return ("in", node, index) if index is not None else Nothing(f"{_named(node)} is bypassed and has no {wanted} input to pass on")
    if node.id in drawing.subgraphs:
        inner = [link for link in drawing.links[node.id].values() if link.target == OUTPUTS and link.target_slot == slot]
        return _from(drawing, node.id, inner[0].origin, inner[0].slot) if inner else Nothing(f"nothing inside {_named(node)} is linked to its output {slot}")
    if node.type == REROUTE:
        return ("in", node, 0) if node.inputs else None
    if node.type == PRIMITIVE:
        return Literal(node.values[0]) if node.values else Nothing(f"{_named(node)} holds no value")
    return Wire(node.id, slot)


def _passing(node: Node, slot: int, wanted: str) -> int | None:
    """The input that a bypassed node passes to an output: the one beside it if it fits, else the first of the same type."""
    if wanted in ("*", ""):
        return slot if slot < len(node.inputs) else 0 if node.inputs else None
    given = node.outputs[slot] if slot < len(node.outputs) else wanted
    fits = [i for i, s in enumerate(node.inputs) if joinable(s.type, given) and joinable(s.type, wanted)]
    exact = [i for i in fits if node.inputs[i].type == wanted]
    return slot if slot in fits else next(iter(exact or fits), None)


def _promoted(drawing: Drawing, node: Node, slot: Slot) -> Literal | None:
    """The value of a subgraph node's own widget."""
    shown = shown_values(drawing, node)
    return Literal(shown["-1", slot.name]) if ("-1", slot.name) in shown else None


def shown_values(drawing: Drawing, node: Node) -> dict[tuple[str, str], Any]:
    """Values that subgraph nodes show as their own widgets, by (node inside this one, widget) that they stand for; node "-1" is this one itself."""
    if node.id not in drawing.subgraphs or not isinstance(node.values, list):
        values: dict[tuple[str, str], Any] = {}
    else:
        keys = node.proxies or tuple(("-1", slot.name) for slot in node.inputs if slot.widget)
        values = {key: value for key, value in zip(keys, node.values, strict=False) if value is not None}
    if node.scope:  # the node around it may show widgets of this one
        outer = shown_values(drawing, drawing.nodes[node.scope])
        values |= {("-1", name): value for (inner, name), value in outer.items() if inner == node.local}
    return values


def joinable(given: str, taken: str) -> bool:
    """Whether two socket types may be linked; "*" fits all, "A,B" is either."""
    one, other = ({part.strip() for part in type.split(",")} for type in (given, taken))
    return "*" in one | other or bool(one & other)


def _named(node: Node) -> str:
    return f"node {node.id} ({node.title or node.type})"
