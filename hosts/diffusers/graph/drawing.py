"""UI-format graphs as drawn: nodes, slots and links, with subgraphs opened into one flat set of nodes.

A node inside a subgraph gets the ids on the way to it, joined by colons ("12:3"), as in ComfyUI's own prompts.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ....processors.errors import ConcordError

ACTIVE, MUTED, BYPASSED = 0, 2, 4
INPUTS, OUTPUTS = "-10", "-20"  # a subgraph's own two ends, as its links name them


@dataclass(frozen=True)
class Slot:
    """One input socket: its name, its type, the link that ends there."""

    name: str
    type: str
    link: int | str | None
    widget: bool = False


@dataclass(frozen=True)
class Link:
    """Where a wire comes from and where it goes, inside one scope."""

    origin: str
    slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class Node:
    """A node as drawn. `scope` is the id of the subgraph node that it lies in ("" at the top), `local` its id there."""

    local: str
    scope: str
    type: str
    title: str | None
    mode: int
    inputs: tuple[Slot, ...]
    outputs: tuple[str, ...]  # types
    values: Any
    proxies: tuple[tuple[str, str], ...] = ()  # of a subgraph node: (inner node, widget) that its own widgets stand for

    @property
    def id(self) -> str:
        return joined(self.scope, self.local)


@dataclass
class Drawing:
    """All nodes of a workflow by id, links by scope, and the names of a subgraph node's inputs, in the order in which its inside counts them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[str, dict[str, Link]] = field(default_factory=dict)
    subgraphs: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def mode(self, node: Node) -> int:
        """A node inside a muted or bypassed subgraph node is as inactive as that is."""
        while node.mode not in (MUTED, BYPASSED) and node.scope:
            node = self.nodes[node.scope]
        return node.mode


def joined(scope: str, local: str) -> str:
    return f"{scope}:{local}" if scope else local


def flatten(workflow: dict[str, Any]) -> Drawing:
    """UI-format JSON (0.4 or 1) -> drawing."""
    try:
        return _flat(workflow)
    except ConcordError:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError) as error:
        raise ConcordError(f"the workflow's nodes or links are not as ComfyUI writes them ({type(error).__name__}: {error})") from error


def _flat(workflow: dict[str, Any]) -> Drawing:
    definitions = {str(g["id"]): g for g in (workflow.get("definitions") or {}).get("subgraphs") or []}
    drawing = Drawing()
    waiting: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [("", workflow, ())]
    while waiting:
        scope, graph, path = waiting.pop()
        drawing.links[scope] = _links(graph)
        for raw in graph["nodes"]:
            node = _node(raw, scope)
            drawing.nodes[node.id] = node
            if node.type in definitions:
                if node.type in path:
                    raise ConcordError(f'node {node.id}: subgraph "{definitions[node.type].get("name", node.type)}" contains itself')
                inside = definitions[node.type]
                drawing.subgraphs[node.id] = tuple(str(i["name"]) for i in inside.get("inputs") or [])
                waiting.append((node.id, inside, (*path, node.type)))
    return drawing


def _node(raw: dict[str, Any], scope: str) -> Node:
    inputs = tuple(Slot(str(i["name"]), str(i.get("type", "*")), i.get("link"), bool(i.get("widget"))) for i in raw.get("inputs") or [])
    proxies = (raw.get("properties") or {}).get("proxyWidgets") or []
    values = raw.get("widgets_values")
    if values is not None and not isinstance(values, list | dict):
        raise TypeError(f"widgets_values of node {raw['id']} is {values!r:.40}")
    return Node(
        local=str(raw["id"]),
        scope=scope,
        type=str(raw["type"]),
        title=raw.get("title"),
        mode=int(raw.get("mode") or ACTIVE),
        inputs=inputs,
        outputs=tuple(str(o.get("type", "*")) for o in raw.get("outputs") or []),
        values=values,
        proxies=tuple((str(p[0]), str(p[1])) for p in proxies),
    )


def _links(graph: dict[str, Any]) -> dict[str, Link]:
    links = {}
    for raw in graph.get("links") or []:
        if isinstance(raw, dict):
            id, origin, slot, target, target_slot = (raw[k] for k in ("id", "origin_id", "origin_slot", "target_id", "target_slot"))
        else:
            id, origin, slot, target, target_slot = raw[:5]
        links[str(id)] = Link(str(origin), int(slot), str(target), int(target_slot))
    return links
