"""Hint makers in ComfyUI: on its device, stopped by its stop button, their networks under its memory management."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod

import comfy.model_management
import torch
from comfy.model_patcher import ModelPatcher
from comfy.utils import ProgressBar
from torch import Tensor
from torch.nn import Module

from ...processors.images.batches import PIXELS, hints, without_network
from .folders import find as model_path

__all__ = ["keep", "make_hints", "model_path"]

BYTES = 1200  # that a network takes for each pixel of a picture, beside its weights


class Kept(Module):
    """A network under a roof of ours: the host writes notes such as `device` on what it loads, which transformers' modules refuse."""

    def __init__(self, network: Module) -> None:
        super().__init__()
        self.network = network


def keep(network: Module, half: bool = False) -> ModelPatcher:
    """A network in evaluation mode, resting where the host puts models aside; `half`: in float16 where the host thinks that fast."""
    device = comfy.model_management.get_torch_device()
    if half and comfy.model_management.should_use_fp16(device):
        network = network.half()
    return ModelPatcher(Kept(network).eval(), load_device=device, offload_device=comfy.model_management.unet_offload_device())


def make_hints(make: Callable[..., Tensor], image: Tensor, model: ModelPatcher | None = None) -> Tensor:
    """IMAGE [B, y, x, C] -> IMAGE [B, y, x, 3]; make: [b, 3, y, x] -> [b, 1|3, y, x], 0..1, on the host's device.

    model: what `keep` gave; `make` then gets its network first, whole on the device, other models moved aside as far as it needs.
    """
    device = comfy.model_management.get_torch_device()
    if model is None:
        device = without_network(device)
    else:
        needed = BYTES * max(PIXELS, prod(image.shape[1:3]))
        comfy.model_management.load_models_gpu([model], memory_required=needed, force_full_load=True)
        make = partial(make, model.model.network)
    bar = ProgressBar(len(image))

    def begin(first: int, total: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(first, total)

    with torch.inference_mode():
        made = hints(make, image, device, begin)
    bar.update_absolute(len(image))
    own_type = getattr(comfy.model_management, "intermediate_dtype", lambda: torch.float32)  # since ComfyUI 0.9
    return made.to(comfy.model_management.intermediate_device(), own_type())
