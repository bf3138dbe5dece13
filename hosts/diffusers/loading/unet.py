"""A UNet's tensors, in the published or in diffusers' layout -> a MODEL."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..model import LatentFormat, Model
from .build import below, build
from .families import family_of, refuse_other_networks
from .unet_keys import Shape, shape_of, to_diffusers

LATENTS = {"sd1": LatentFormat(scale=0.18215), "sdxl": LatentFormat(scale=0.13025)}
FIRST, LAST = ("input_blocks.0.0.weight", "conv_in.weight"), ("out.2.weight", "conv_out.weight")  # published, diffusers
HEADS = {768: 8, 64: 4}  # by the text's width: SD 1.x, the practice model
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.")


def model_from(tensors: dict[str, Tensor], file: str, device: str = "cpu", dtype: torch.dtype | None = None) -> Model:
    """The tensors of a checkpoint or of a bare UNet -> a model ready to sample, in `dtype` (None: as the file has it, on a CPU float32)."""
    own = tensors if any(first in tensors for first in FIRST) else below(tensors, *PREFIXES)
    if not any(first in own for first in FIRST) or not any(last in own for last in LAST):
        refuse_other_networks(tensors, file)
    shape = shape_of(own)
    family = family_of(shape, file, tensors)
    dtype = dtype or (torch.float32 if device == "cpu" else own[next(first for first in FIRST if first in own)].dtype)
    from diffusers import UNet2DConditionModel  # slow to import: only when a file is loaded

    network = build(lambda: UNet2DConditionModel(**unet_config(shape)), to_diffusers(own, shape), file, device, dtype)
    return Model(network, family=family, latent=LATENTS[family])


def unet_config(shape: Shape) -> dict[str, Any]:
    """diffusers' configuration for a UNet of this shape, of SD 1.x (8 heads) or SDXL (64 channels a head)."""
    up = tuple("CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(shape.depths))
    return half_config(shape) | {"out_channels": shape.outputs, "up_block_types": up}


def half_config(shape: Shape) -> dict[str, Any]:
    """The part that a UNet and its ControlNets have in common."""
    added = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": shape.added}
    return {
        "in_channels": shape.inputs,
        "block_out_channels": shape.channels,
        "layers_per_block": shape.layers,
        "down_block_types": tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in shape.depths),
        "transformer_layers_per_block": tuple(depth or 1 for depth in shape.depths),
        "cross_attention_dim": shape.context,
        # diffusers' name for the number of heads
        "attention_head_dim": tuple(width // 64 for width in shape.channels) if shape.linear else HEADS[shape.context],
        "use_linear_projection": shape.linear,
        **(added if shape.added else {}),
    }
