"""Names in a UNet: the layout of the published checkpoints ("input_blocks.4.1") <-> diffusers' ("down_blocks.1.attentions.0")."""
from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from torch import Tensor

from .build import count

EMBEDDINGS = {"time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
              "label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2"}  # fmt: skip
ENDS = {"input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out"}
MIDDLE = {"middle_block.0": "mid_block.resnets.0", "middle_block.1": "mid_block.attentions.0", "middle_block.2": "mid_block.resnets.1"}
RESNET = {"in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.0": "norm2", "out_layers.3": "conv2",
          "skip_connection": "conv_shortcut"}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What the tensors say about a UNet (or about the half of one that a ControlNet is)."""

    channels: tuple[int, ...]  # of each level
    layers: int  # resnets a level
    depths: tuple[int, ...]  # transformer blocks of each level; 0: no attention there
    middle: int  # transformer blocks in the middle
    context: int  # width of the text
    linear: bool  # proj_in is a linear layer
    inputs: int
    outputs: int
    added: int  # width of the pooled text and sizes; 0: none


def shape_of(tensors: dict[str, Tensor]) -> Shape:
    """Reads a UNet's shape off its tensors, in either layout, without prefix."""
    published = is_published(tensors)
    if published:
        blocks = count(tensors, "input_blocks.{}.")
        ends = [i for i in range(blocks) if f"input_blocks.{i}.0.op.weight" in tensors] + [blocks]
        layers, firsts = ends[0] - 1, [1, *(end + 1 for end in ends[:-1])]
        resnets, attentions = [f"input_blocks.{i}.0.in_layers.2" for i in firsts], [f"input_blocks.{i}.1" for i in firsts]
        middle, first, last, added = "middle_block.1", "input_blocks.0.0", "out.2", "label_emb.0.0"
    else:
        levels, layers = range(count(tensors, "down_blocks.{}.")), count(tensors, "down_blocks.0.resnets.{}.")
        resnets, attentions = [f"down_blocks.{i}.resnets.0.conv1" for i in levels], [f"down_blocks.{i}.attentions.0" for i in levels]
        middle, first, last, added = "mid_block.attentions.0", "conv_in", "conv_out", "add_embedding.linear_1"
    size = lambda module, side: tensors[f"{module}.weight"].shape[side] if f"{module}.weight" in tensors else 0
    depth = lambda attention: count(tensors, f"{attention}.transformer_blocks.{{}}.")
    projection = tensors.get(f"{middle}.proj_in.weight")
    return Shape(
        channels=tuple(size(resnet, 0) for resnet in resnets), layers=layers, depths=tuple(map(depth, attentions)), middle=depth(middle),
        context=size(f"{middle}.transformer_blocks.0.attn2.to_k", 1), linear=projection is not None and projection.ndim == 2,
        inputs=size(first, 1), outputs=size(last, 0), added=size(added, 1),
    )  # fmt: skip


def is_published(names: Container[str]) -> bool:
    return "input_blocks.0.0.weight" in names


def module_names(shape: Shape) -> dict[str, str]:
    """Published name -> diffusers' name, of every block that holds weights."""
    names, levels, n = EMBEDDINGS | ENDS | MIDDLE, len(shape.channels), shape.layers
    for level, depth in enumerate(shape.depths):
        first = 1 + level * (n + 1)
        for layer in range(n):
            names[f"input_blocks.{first + layer}.0"] = f"down_blocks.{level}.resnets.{layer}"
            names[f"input_blocks.{first + layer}.1"] = f"down_blocks.{level}.attentions.{layer}"
        names[f"input_blocks.{first + n}.0.op"] = f"down_blocks.{level}.downsamplers.0.conv"
        up = levels - 1 - level
        for layer in range(n + 1):
            block = f"output_blocks.{up * (n + 1) + layer}"
            names[f"{block}.0"] = f"up_blocks.{up}.resnets.{layer}"
            if depth:
                names[f"{block}.1"] = f"up_blocks.{up}.attentions.{layer}"
        names[f"output_blocks.{up * (n + 1) + n}.{2 if depth else 1}.conv"] = f"up_blocks.{up}.upsamplers.0.conv"
    return names


def diffusers_name(name: str, modules: dict[str, str]) -> str:
    """"input_blocks.1.0.in_layers.0.weight" -> "down_blocks.0.resnets.0.norm1.weight"; a name of no known block stays as it is."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        block = ".".join(parts[:length])
        if block in modules:
            inner, rest = ".".join(parts[length:]), modules[block]
            if ".resnets." in rest:
                inner = next((new + inner.removeprefix(old) for old, new in RESNET.items() if inner.startswith(f"{old}.")), inner)
            return f"{rest}.{inner}"
    return name


def published_name(module: str, modules: dict[str, str]) -> str | None:
    """"down_blocks.0.resnets.0.norm1" -> "input_blocks.1.0.in_layers.0": the inverse, for modules; None for an unknown one."""
    for published, name in modules.items():
        if module == name:
            return published
        if module.startswith(f"{name}."):
            inner = module.removeprefix(f"{name}.")
            inner = next((old for old, new in RESNET.items() if ".resnets." in name and inner == new), inner)
            return f"{published}.{inner}"
    return None


def to_diffusers(tensors: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    if not is_published(tensors):
        return tensors
    modules = module_names(shape)
    return {diffusers_name(name, modules): tensor for name, tensor in tensors.items()}
