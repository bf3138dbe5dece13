"""Workflows written as Python: nodes with inputs by name, in titled groups; read out as API format, or drawn by `drawing`.

    graph = Graph("my-workflow", registry)
    with graph.group("Model", column=0):
        model = graph.add("Concord_LoadPracticeModel")
    with graph.group("Prompt", column=1):
        prompt = graph.add("CLIPTextEncode", text="a star", clip=model["clip"])
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..hosts.diffusers.graph.convert import first_value
from ..hosts.diffusers.graph.registry import NodeType, Registry, is_widget
from ..hosts.diffusers.graph.values import fitting
from ..processors.errors import ConcordError


class ModelFile(NamedTuple):
    """A file that a loader node needs; ComfyUI offers to download what is missing."""

    name: str
    url: str
    directory: str
    sha256: str | None = None


class Out(NamedTuple):
    """An output of a node: what an input is linked to."""

    node: Node
    slot: int


@dataclass(eq=False)
class Node:
    """A node of a known type, or a note (no type, only text). `values`: its inputs by name, an `Out` where one is linked."""

    id: int
    kind: NodeType | None
    title: str | None
    values: dict[str, Any] = field(default_factory=dict)
    models: tuple[ModelFile, ...] = ()
    size: tuple[int, int] | None = None

    def __getitem__(self, name: str) -> Out:
        """The output of that name or type, whatever its case."""
        assert self.kind is not None  # notes are never linked
        names = [(output.display_name or output.io_type).lower() for output in self.kind.outputs]
        if name.lower() not in names:
            raise ConcordError(f"{self.kind.id} has no output {name!r}; it has {', '.join(names)}")
        return Out(self, names.index(name.lower()))


@dataclass(eq=False)
class Group:
    """A titled frame; its nodes stand in columns, and it stands in a column of groups."""

    title: str
    column: int
    color: str
    columns: list[list[Node]] = field(default_factory=lambda: [[]])


class Graph:
    """A workflow in the making. Nodes are added inside groups, givers before takers."""

    def __init__(self, name: str, registry: Registry) -> None:
        self.name, self.registry = name, registry
        self.nodes: list[Node] = []
        self.groups: list[Group] = []

    @contextmanager
    def group(self, title: str, column: int, color: str = "#3f789e") -> Iterator[None]:
        """What is added inside stands in this group, one below the other; groups of the same column too."""
        self.groups.append(Group(title, column, color))
        yield

    def beside(self) -> None:
        """What comes next in this group stands in a new column of it."""
        self.groups[-1].columns.append([])

    def add(self, type: str, *, title: str | None = None, models: tuple[ModelFile, ...] = (), **values: Any) -> Node:
        """A node; inputs that are left out take their defaults. A linked input is an `Out`, or a node with a single output."""
        kind = self.registry.get(type)
        if kind is None:
            raise ConcordError(f"no node is called {type!r}; close to it: {', '.join(self.registry.closest(type)) or 'none'}")
        if strange := values.keys() - kind.inputs.keys():
            raise ConcordError(f"{type} has no input {', '.join(sorted(strange))}; it has {', '.join(kind.inputs)}")
        taken = {name: _value(kind, name, values) for name, taken in kind.inputs.items() if name in values or not taken.optional or is_widget(taken)}
        return self._place(Node(len(self.nodes) + 1, kind, title, taken, models))

    def note(self, title: str, text: str, size: tuple[int, int] = (380, 300)) -> Node:
        """A note in Markdown."""
        return self._place(Node(len(self.nodes) + 1, None, title, {"text": text}, size=size))

    def _place(self, node: Node) -> Node:
        self.nodes.append(node)
        self.groups[-1].columns[-1].append(node)
        return node

    def api(self) -> dict[str, Any]:
        """The graph in API format."""
        calls = {}
        for node in self.nodes:
            if node.kind is not None:
                inputs = {name: [str(v.node.id), v.slot] if isinstance(v, Out) else v for name, v in node.values.items()}
                calls[str(node.id)] = {"class_type": node.kind.id, "inputs": inputs, "_meta": {"title": node.title or node.kind.title}}
        return calls


def _value(kind: NodeType, name: str, values: dict[str, Any]) -> Any:
    taken = kind.inputs[name]
    value = values.get(name, first_value(taken) if is_widget(taken) else None)
    if isinstance(value, Node):
        if value.kind is None or len(value.kind.outputs) != 1:
            raise ConcordError(f"{kind.id}.{name}: {value.title or value.kind} has not one output; say which")
        value = Out(value, 0)
    if isinstance(value, Out):
        return value
    if not is_widget(taken):
        raise ConcordError(f"{kind.id}.{name} takes a link from a {taken.io_type} output; got {value!r}")
    return fitting(taken, value, own_check=taken.io_type == "COMBO" and taken.options == [])  # lists of files are empty here
