"""Small random control networks beside the models of sampling_models: adapters and unions in every layout in which they are published."""
from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from concord.hosts.diffusers.loading.control import load_control_net
from concord.hosts.diffusers.t2i_adapter import Adapter, AdapterShape
from concord.hosts.diffusers.union_control_net import UnionControlNet
from diffusers import ControlNetUnionModel, T2IAdapter
from safetensors.torch import save_file
from torch import Tensor

from .sampling_models import SDXL, fill

WIDTHS = (32, 64, 128, 128)  # of the four maps
KINDS = {"full": ("full_adapter", 8, 2), "light": ("light_adapter", 8, 4), "full, SDXL": ("full_adapter_xl", 16, 2)}  # diffusers' name, unit, layers


def theirs(kind: str, hint: int = 3, seed: int = 3) -> T2IAdapter:
    """diffusers' own adapter."""
    name, unit, layers = KINDS[kind]
    widths = WIDTHS[:3] if kind == "light" else WIDTHS  # a light one repeats its last width
    return fill(T2IAdapter(hint, list(widths), layers, unit, name), seed)


def adapter(kind: str, hint: int = 3, seed: int = 3, widths: tuple[int, ...] = WIDTHS) -> Adapter:
    """Ours, with random weights of its own."""
    return fill(Adapter(AdapterShape(widths, KINDS[kind][2], hint, kind == "light", kind.endswith("SDXL"))), seed)


def published(tensors: dict[str, Tensor], light: bool, layers: int = 2) -> dict[str, Tensor]:
    """diffusers' names -> those of the authors' files, written out a second time on purpose."""
    if light:
        return {name.removeprefix("adapter.").replace(".resnets.", ".body."): t for name, t in tensors.items()}
    block = lambda match: f"body.{int(match[1]) * layers + int(match[2])}."
    first = lambda match: f"body.{int(match[1]) * layers}.in_conv"
    rename = lambda name: re.sub(r"body\.(\d+)\.in_conv", first, re.sub(r"body\.(\d+)\.resnets\.(\d+)\.", block, name.removeprefix("adapter.")))
    return {rename(name): t for name, t in tensors.items()}


def union(types: int = 6, seed: int = 4) -> ControlNetUnionModel:
    """diffusers' union ControlNet, 64 channels a head as all of SDXL's."""
    config = SDXL | dict(block_out_channels=(64, 64, 128), attention_head_dim=(1, 1, 2))
    config.pop("up_block_types")
    return fill(ControlNetUnionModel(**config, num_control_type=types, num_trans_channel=64, num_proj_channel=64,
                                     conditioning_embedding_out_channels=(16, 32, 96, 256)), seed)


def loaded_union(theirs: ControlNetUnionModel) -> UnionControlNet:
    """Ours with the same weights, through a file."""
    with TemporaryDirectory() as folder:
        save_file(dict(theirs.state_dict()), path := Path(folder) / "union.safetensors")
        return load_control_net(path, dtype=torch.float32).network


def hint(n: int = 1, y: int = 64, x: int = 64, seed: int = 5) -> Tensor:
    """[n, y, x, 3] 0..1"""
    return torch.rand(n, y, x, 3, generator=torch.Generator().manual_seed(seed))
