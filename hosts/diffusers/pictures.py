"""Hint makers where diffusers is the host: on the run's device. The functions of hosts/comfy/pictures.py."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import Module

from ...processors.images.batches import hints
from .graph.context import current


def model_path(folder: str, name: str) -> str:
    """Of a file in a folder of the models folder; ConcordError tells where it was looked for and what is there."""
    return str(current().find(folder, name))


def keep(network: Module, half: bool = False) -> Module:
    """A network in evaluation mode on the run's device; `half`: in float16 on a GPU."""
    device = current().device
    return (network.half() if half and torch.device(device).type == "cuda" else network).eval().to(device)


def run_module(kept: Module) -> Module:
    """A network that `keep` gave, ready to be called."""
    return kept


def make_hints(make: Callable[[Tensor], Tensor], image: Tensor) -> Tensor:
    """IMAGE [B, y, x, C] -> IMAGE [B, y, x, 3]; make: [b, 3, y, x] -> [b, 1|3, y, x], 0..1, on the run's device."""
    context = current()
    with torch.inference_mode():
        made = hints(make, image, context.device, lambda first, total: context.step(first, total, "pictures"))
    context.step(len(image), len(image), "pictures")
    return made
