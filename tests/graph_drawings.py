"""Writes UI-format graphs for tests: nodes as short tuples, links by name."""
from __future__ import annotations

from typing import Any

OUTPUTS = {"Make": ["WORDS", "INT"], "Change": ["WORDS"], "Reroute": ["*"], "PrimitiveNode": ["INT"]}
VALUES = {"Make": ["hi", 1, "randomize", 0.5, "calm", False], "Change": [1]}


def node(id: int, kind: str, *, values: Any = None, mode: int = 0, title: str | None = None, **extra: Any) -> dict[str, Any]:
    """A node without inputs; `wire` adds them."""
    outputs = [{"name": t, "type": t, "links": []} for t in OUTPUTS.get(kind, [])]
    raw = {"id": id, "type": kind, "mode": mode, "inputs": [], "outputs": outputs, "widgets_values": VALUES.get(kind, []) if values is None else values}
    return raw | ({"title": title} if title else {}) | extra


def wire(graph: dict[str, Any], origin: int, slot: int, target: int, name: str, type: str = "WORDS", widget: bool = False) -> None:
    """A link from an output to an input, which is added to the node (in a subgraph, -10 and -20 are its own ends)."""
    number = len(graph["links"]) + 1
    index = 0
    if target > 0:
        taker = next(n for n in graph["nodes"] if n["id"] == target)
        index = len(taker["inputs"])
        taker["inputs"].append({"name": name, "type": type, "link": number} | ({"widget": {"name": name}} if widget else {}))
    graph["links"].append([number, origin, slot, target, index, type])


def graph(*nodes: dict[str, Any], wires: tuple[tuple[Any, ...], ...] = (), **extra: Any) -> dict[str, Any]:
    made = {"version": 0.4, "nodes": list(nodes), "links": [], "groups": [{"title": "a group"}], "extra": {}} | extra
    for one in wires:
        wire(made, *one)
    return made


def as_version_1(drawn: dict[str, Any]) -> dict[str, Any]:
    """The same graph with links as objects, as version 1 and subgraphs have them."""
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return drawn | {"version": 1, "links": [dict(zip(names, link, strict=True)) for link in drawn["links"]]}


def subgraph(
    id: str, *nodes: dict[str, Any], wires: tuple[tuple[Any, ...], ...], inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = ()
) -> dict[str, Any]:
    made = as_version_1(graph(*nodes, wires=wires))
    return made | {"id": id, "name": f"Sub {id}", "inputs": [{"name": n} for n in inputs], "outputs": [{"name": n} for n in outputs]}
