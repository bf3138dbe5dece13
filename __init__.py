"""Concord: every control technique of the diffusion literature as one node, and any of them compose on one model.

ComfyUI finds `comfy_entrypoint` and `WEB_DIRECTORY` here; importing this loads neither torch nor ComfyUI.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes._api import ComfyExtension

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> ComfyExtension:
    """All nodes of the pack, for ComfyUI."""
    from .nodes import all_nodes
    from .nodes._api import ComfyExtension

    class Concord(ComfyExtension):
        async def get_node_list(self) -> list[type]:
            return all_nodes()

    return Concord()
