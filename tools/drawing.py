"""A graph as the editor saves it (UI format 0.4): laid out left to right in titled groups, nothing over anything else.

Sizes are in the editor's pixels; a node's position is the upper left corner of its body, below its title bar.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ..hosts.diffusers.graph.registry import is_widget
from .graph import Graph, Group, Node, Out

TITLE, SLOT, WIDGET, TEXT, PICTURE = 30, 20, 24, 110, 270  # heights: title bar, socket, widget, text box, preview
WIDTH, NARROW = 320, 240
MARGIN, HEAD, GAP, AISLE = 20, 50, 50, 60  # round the nodes of a group, its title, between nodes (the editor writes a badge above each), between groups
SEEDS = ("seed", "noise_seed")


def draw(graph: Graph) -> dict[str, Any]:
    """The graph in UI format; the same graph always gives the same JSON."""
    places, frames = _layout(graph)
    links: list[list[Any]] = []
    given: dict[tuple[int, int], list[int]] = {}
    for node in graph.nodes:
        for slot, name in enumerate(_sockets(node)):
            origin = node.values.get(name)
            if isinstance(origin, Out):
                links.append([len(links) + 1, origin.node.id, origin.slot, node.id, slot, origin.node.kind.outputs[origin.slot].io_type])  # type: ignore[union-attr]
                given.setdefault((origin.node.id, origin.slot), []).append(len(links))
    arriving = {(link[3], link[4]): link[0] for link in links}
    return {
        "id": str(uuid5(NAMESPACE_URL, f"concord/workflows/{graph.name}")),
        "revision": 0,
        "last_node_id": len(graph.nodes),
        "last_link_id": len(links),
        "nodes": [_node(node, order, places[node.id], arriving, given) for order, node in enumerate(graph.nodes)],
        "links": links,
        "groups": [{"id": id, "title": g.title, "bounding": frame, "color": g.color, "font_size": 24, "flags": {}} for id, (g, frame) in enumerate(frames, 1)],
        "config": {},
        "extra": {"ds": {"scale": 0.7, "offset": [60, 60]}},
        "version": 0.4,
    }


def _node(node: Node, order: int, place: tuple[int, int], arriving: dict[tuple[int, int], int], given: dict[tuple[int, int], list[int]]) -> dict[str, Any]:
    drawn: dict[str, Any] = {"id": node.id, "type": node.kind.id if node.kind else "MarkdownNote", "pos": list(place), "size": list(size(node)), "flags": {},
                             "order": order, "mode": 0, "inputs": [], "outputs": []}  # fmt: skip
    if node.title:
        drawn["title"] = node.title
    if node.kind is None:
        return drawn | {"properties": {}, "widgets_values": [node.values["text"]], "color": "#432", "bgcolor": "#653"}
    for slot, name in enumerate(_sockets(node)):
        taken = node.kind.inputs[name]
        widget = {"widget": {"name": name}} if is_widget(taken) else {}
        optional = {"shape": 7} if taken.optional and not widget else {}
        drawn["inputs"].append({"name": name, "type": taken.io_type, **optional, **widget, "link": arriving.get((node.id, slot))})
    for slot, output in enumerate([] if node.kind.schema.is_output_node else node.kind.outputs):  # older editors give Save Image none; newer add theirs
        drawn["outputs"].append({"name": output.display_name or output.io_type, "type": output.io_type, "links": given.get((node.id, slot))})
    ours = node.kind.id.startswith("Concord_")
    models = {"models": [_model(*m) for m in node.models]} if node.models else {}
    drawn["properties"] = {"cnr_id": "concord" if ours else "comfy-core", "Node name for S&R": node.kind.id, **models}
    if values := _widget_values(node):
        drawn["widgets_values"] = values
    return drawn


def _model(name: str, url: str, directory: str, sha256: str | None) -> dict[str, str]:
    return {"name": name, "url": url, "directory": directory} | ({"hash": sha256, "hash_type": "SHA256"} if sha256 else {})


def _sockets(node: Node) -> list[str]:
    """Inputs that the editor draws as sockets of their own: those without a widget, then widgets that are linked."""
    if node.kind is None:
        return []
    widgets = {w.id for w in node.kind.widgets}
    return [i for i in node.kind.inputs if i not in widgets] + [i for i in node.kind.inputs if i in widgets and isinstance(node.values[i], Out)]


def _widget_values(node: Node) -> list[Any]:
    """All widgets' values in order, and after each seed what the editor does to it after a run."""
    assert node.kind is not None
    values: list[Any] = []
    for widget in node.kind.widgets:
        value = node.values[widget.id]
        values.append(("" if widget.io_type == "STRING" else widget.default) if isinstance(value, Out) else value)
        if has_control(widget):
            values.append("fixed")
    return values


def has_control(widget: Any) -> bool:
    """Does the editor put a "control after generate" widget below this one?"""
    return bool(getattr(widget, "control_after_generate", None)) or (widget.io_type == "INT" and widget.id in SEEDS)


def size(node: Node) -> tuple[int, int]:
    """Width and height of a node's body, with room for every socket and widget."""
    if node.size:
        return node.size
    assert node.kind is not None
    widgets = node.kind.widgets
    rows = max(len(_sockets(node)), len(node.kind.outputs))
    height = 16 + SLOT * rows + sum(TEXT if getattr(w, "multiline", False) else WIDGET * (1 + has_control(w)) for w in widgets)
    if node.kind.id in ("SaveImage", "PreviewImage"):
        height += PICTURE
    return (WIDTH if widgets or node.kind.id.startswith("Concord_") else NARROW), height


def _layout(graph: Graph) -> tuple[dict[int, tuple[int, int]], list[tuple[Group, list[int]]]]:
    """Where each node stands, and each group's frame [x, y, width, height]."""
    places: dict[int, tuple[int, int]] = {}
    frames: list[tuple[Group, list[int]]] = []
    x = 0
    for column in sorted({g.column for g in graph.groups}):
        y, widest = 0, 0
        for group in (g for g in graph.groups if g.column == column):
            width, height = _fill(group, x, y, places)
            frames.append((group, [x, y, width, height]))
            y, widest = y + height + AISLE, max(widest, width)
        x += widest + AISLE
    return places, frames


def _fill(group: Group, x: int, y: int, places: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Place the group's nodes; gives its width and height."""
    left, lowest = x + MARGIN, y
    for column in group.columns:
        top = y + HEAD
        for node in column:
            places[node.id] = (left, top + TITLE)
            top += TITLE + size(node)[1] + GAP
        left += max(size(node)[0] for node in column) + GAP
        lowest = max(lowest, top - GAP + MARGIN)
    return left - GAP + MARGIN - x, lowest - y
