"""The nodes of this pack: every node class in the modules of this folder, found by looking; there is no list to edit."""
from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType


def all_nodes() -> list[type[Any]]:
    """The node classes of every module here whose name does not begin with "_", in the order of module names, then of their definition."""
    return [node for module in iter_modules(__path__) if not module.name.startswith("_") for node in nodes_of(import_module(f".{module.name}", __name__))]


def nodes_of(module: ModuleType) -> list[type[Any]]:
    """The node classes that a module defines itself (not those that it imports, nor bases whose name begins with "_")."""
    return [
        thing
        for name, thing in vars(module).items()
        if isinstance(thing, type) and thing.__module__ == module.__name__ and not name.startswith("_") and hasattr(thing, "define_schema")
    ]
