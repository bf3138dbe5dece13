"""Hint makers where diffusers is the host: on the run's device. The functions of hosts/comfy/pictures.py."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import Module

from ...processors.images.batches import hints, without_network
from .graph.context import current


def model_path(folder: str, name: str) -> str:
    """Of a file in a folder of the models folder; ConcordError tells where it was looked for and what is there."""
    return str(current().find(folder, name))


def keep(network: Module, half: bool = False) -> Module:
    """A network in evaluation mode on the run's device; `half`: in float16 on a GPU."""
    device = current().device
    return (network.half() if half and torch.device(device).type == "cuda" else network).eval().to(device)


def make_hints(make: Callable[..., Tensor], image: Tensor, model: Module | None = None) -> Tensor:
    """IMAGE [B, y, x, C] -> IMAGE [B, y, x, 3]; make: [b, 3, y, x] -> [b, 1|3, y, x], 0..1, on the run's device.

    model: what `keep` gave; `make` then gets it first.
    """
    context = current()
    device = without_network(context.device) if model is None else context.device
    with torch.inference_mode():
        made = hints(make if model is None else partial(make, model), image, device, lambda first, total: context.step(first, total, "pictures"))
    context.step(len(image), len(image), "pictures")
    return made
