"""All node types that a headless run knows: ours, and ComfyUI's own that shipped workflows use."""
from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from ....nodes import all_nodes, nodes_of
from .context import Context, using

WIDGETS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})


@dataclass(frozen=True, eq=False)
class NodeType:
    """A node class with its schema, as it is in the context in which the registry was made (combos list files)."""

    cls: type[Any]
    schema: Any

    @property
    def id(self) -> str:
        return self.schema.node_id

    @property
    def title(self) -> str:
        return self.schema.display_name or self.id

    @cached_property
    def inputs(self) -> dict[str, Any]:
        return {i.id: i for i in self.schema.inputs}

    @property
    def outputs(self) -> list[Any]:
        return self.schema.outputs

    @property
    def widgets(self) -> list[Any]:
        """Inputs that have a value of their own in the node, in the order in which UI-format files list the values."""
        return [i for i in self.schema.inputs if is_widget(i)]


def is_widget(taken: Any) -> bool:
    return taken.io_type in WIDGETS and not taken.force_input


class Registry:
    """Node types by id; `closest` proposes names for an unknown one."""

    def __init__(self, nodes: list[type[Any]]) -> None:
        types = [NodeType(cls, cls.define_schema()) for cls in nodes]
        self.types = {t.id: t for t in types}

    def get(self, id: str) -> NodeType | None:
        return self.types.get(id)

    def closest(self, id: str) -> list[str]:
        lowered = {name.lower(): name for name in self.types}
        plain = {name.lower().removeprefix("concord_"): name for name in self.types}
        return list(dict.fromkeys((plain | lowered)[n] for n in get_close_matches(id.lower(), [*lowered, *plain], n=3)))


def default_registry(context: Context) -> Registry:
    """Our nodes and the core nodes of `hosts/diffusers/core`, their combos filled from the context's folders."""
    with using(context):
        return Registry([*core_nodes(), *all_nodes()])


def core_nodes() -> list[type[Any]]:
    """ComfyUI's own nodes, as far as they are written here; found like ours."""
    core = import_module("..core", __package__)
    modules = sorted(m.name for m in iter_modules(core.__path__) if not m.name.startswith("_"))
    return [node for name in modules for node in nodes_of(import_module(f"{core.__name__}.{name}"))]
