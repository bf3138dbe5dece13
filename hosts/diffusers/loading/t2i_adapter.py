"""T2I-Adapter files for Stable Diffusion 1.x and SDXL, full and light, in the published or in diffusers' layout -> an Adapter."""
from __future__ import annotations

import re

import torch
from torch import Tensor

from ....processors.errors import ConcordError
from ..t2i_adapter import Adapter, AdapterShape
from .build import below, build, count

HINTS = {64: (1, False), 192: (3, False), 256: (1, True), 768: (3, True)}  # first channels -> (channels of the picture, SDXL)


def find_adapter(content: dict) -> dict[str, Tensor] | None:
    """The tensors of an adapter in the published layout; None where the file is something else."""
    tensors = content.get("adapter", content)
    if not isinstance(tensors, dict):
        return None
    own = below(tensors, "adapter.")
    tensors = published(own) if any(".resnets." in name for name in own) else own or tensors
    return tensors if "body.0.in_conv.weight" in tensors and "body.0.out_conv.weight" in tensors or "body.0.block1.weight" in tensors else None


def published(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """diffusers' names, without "adapter.", as the authors name them."""
    if "conv_in.weight" not in tensors:  # light: the same tree
        return {name.replace(".resnets.", ".body."): tensor for name, tensor in tensors.items()}
    layers = count(tensors, "body.0.resnets.{}.")
    renamed = {}
    for name, tensor in tensors.items():
        level = re.match(r"body\.(\d+)\.(?:resnets\.(\d+)\.)?(.*)", name)
        renamed[f"body.{int(level[1]) * layers + int(level[2] or 0)}.{level[3]}" if level else name] = tensor
    return renamed


def adapter_from(tensors: dict[str, Tensor], file: str, device: str = "cpu", dtype: torch.dtype | None = None) -> Adapter:
    shape = shape_of(tensors, file)
    dtype = dtype or (torch.float32 if device == "cpu" else next(iter(tensors.values())).dtype)
    return build(lambda: Adapter(shape), tensors, file, device, dtype)


def shape_of(tensors: dict[str, Tensor], file: str) -> AdapterShape:
    light = "body.0.out_conv.weight" in tensors
    first = tensors.get("body.0.in_conv.weight" if light else "conv_in.weight")
    if first is None or first.shape[1] not in HINTS:
        raise ConcordError(f"{file} is a T2I-Adapter that reads {'nothing' if first is None else first.shape[1]} channels; "
                           f"those for Stable Diffusion 1.x (64 or 192) and SDXL (256 or 768) fit")
    hint, sdxl = HINTS[first.shape[1]]
    blocks = count(tensors, "body.{}.")
    if light:
        channels, layers = [tensors[f"body.{i}.out_conv.weight"].shape[0] for i in range(blocks)], count(tensors, "body.0.body.{}.")
        return AdapterShape(tuple(channels), layers, hint, light=True, sdxl=sdxl)
    layers = blocks // 4
    channels = [tensors[f"body.{i * layers}.block1.weight"].shape[0] for i in range(4)] if layers else []
    return AdapterShape(tuple(channels), layers, hint, sdxl=sdxl, kernel=tensors["body.0.block2.weight"].shape[2],
                        convolves=any(name.endswith("down_opt.op.weight") for name in tensors))
