"""Whether a control fits a model: told by their layers, and said by name before the first step."""
from __future__ import annotations

from typing import Any

from ...processors.errors import ConcordError
from ...processors.features.controlnet import ControlResiduals, union_number
from .t2i_adapter import Adapter
from .union_control_net import UnionControlNet

CONTEXTS = {768: "Stable Diffusion 1.x", 2048: "SDXL"}


def check_fits(network: Any, edit: ControlResiduals | None, unet: Any) -> None:
    """network: ControlNetModel, UnionControlNet or Adapter; unet: diffusers' UNet2DConditionModel."""
    config = unet.config
    blocks = len(config.block_out_channels) * (config.layers_per_block + 1)  # the last level has no step down, but the first convolution counts
    if edit:
        edit.check_blocks(blocks)
    sdxl = config.addition_embed_type is not None
    if isinstance(network, Adapter):
        widths = config.block_out_channels if not network.shape.sdxl else (*config.block_out_channels, config.block_out_channels[-1])
        if tuple(network.shape.channels) == tuple(widths) and network.shape.sdxl == sdxl:
            return
        found = "SDXL (a T2I-Adapter)" if network.shape.sdxl else "Stable Diffusion 1.x (a T2I-Adapter)"
    elif (network.config.cross_attention_dim, network.config.block_out_channels) == (config.cross_attention_dim, config.block_out_channels):
        return
    else:
        found = name_of(network.config)
    raise ConcordError(f"ApplyControlNet: this is a control for {found}, but the model is {name_of(config)}; load a control of the model's family, "
                       "or another checkpoint")


def name_of(config: Any) -> str:
    return CONTEXTS.get(config.cross_attention_dim) or f"a network with text {config.cross_attention_dim} wide and channels {list(config.block_out_channels)}"


def kind_of(control: Any, union_type: str) -> int | None:
    """The number of the type that a union ControlNet is set to; None for whatever its hint may be. "auto" leaves it as it is."""
    return control.kind if union_type == "auto" else union_number(union_type, control.network.types if isinstance(control.network, UnionControlNet) else 0)
