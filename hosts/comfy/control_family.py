"""Whether a control of ComfyUI fits a model: told by their layers, and said by name before the first step."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from comfy.cldm.cldm import ControlNet
from comfy.controlnet import ControlLora, T2IAdapter
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.t2i_adapter.adapter import Adapter, Adapter_light

from ...processors.errors import ConcordError
from ...processors.features.controlnet import UNION_TYPES, ControlResiduals, not_union

CONTEXTS = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "SDXL", 1280: "the SDXL refiner"}
LEVELS = {12: "Stable Diffusion 1.x", 9: "SDXL"}  # by how many blocks go down


def check_fits(control: Any, edit: ControlResiduals, model: Any) -> None:
    """control: one of the host's, without those before it; model: the host's BaseModel. Kinds that are not known here are left to the host."""
    unet = getattr(model, "diffusion_model", None)
    if not isinstance(unet, UNetModel):
        if made_for := family(control):
            refuse(f"a control for {made_for}", f"a {type(model).__name__} model")
        if edit.spatial:
            raise ConcordError(f"mode, block_weights, mask and global_pooling act on the blocks of a UNet, but the model is a {type(model).__name__} model; "
                               "leave them as they are, or take Stable Diffusion 1.x or SDXL")
        return
    network = getattr(control, "control_model", None)
    if network is not None and not isinstance(network, ControlNet):
        refuse(f"a {type(network).__name__} (no ControlNet for a UNet)", name_of(unet))
    widths = [next(iter(block)).out_channels for block in unet.input_blocks]
    edit.check_blocks(len(widths))
    if isinstance(control, ControlLora):
        weights = control.control_weights
        mine = [weights[f"zero_convs.{i}.0.weight"].shape[0] for i in range(len(weights)) if f"zero_convs.{i}.0.weight" in weights]
        fits = mine == widths
    elif isinstance(network, ControlNet):
        fits = [conv[0].out_channels for conv in network.zero_convs] == widths and contexts(network) == contexts(unet)
    elif isinstance(control, T2IAdapter) and isinstance(control.t2i_model, Adapter | Adapter_light):
        adapter = control.t2i_model
        fits = [widths[i] for i in ((3, 5, 8, 8) if adapter.xl else (2, 5, 8, 11)) if i < len(widths)] == list(adapter.channels) and (
            adapter.xl == (len(widths) == 9))
    else:
        return
    if not fits:
        refuse(f"a control for {family(control) or 'another network'}", name_of(unet))


def refuse(control: str, model: str) -> None:
    raise ConcordError(f"ApplyControlNet: this is {control}, but the model is {model}; load a control of the model's family, or another checkpoint")


def family(control: Any) -> str | None:
    """The models that a control of a known kind was made for."""
    if isinstance(control, ControlLora):
        return LEVELS.get(sum(name.startswith("zero_convs.") and name.endswith(".weight") for name in control.control_weights))
    network = getattr(control, "control_model", None)
    if isinstance(network, ControlNet):
        return name_of(network)
    adapter = getattr(control, "t2i_model", None)
    if isinstance(adapter, Adapter | Adapter_light):
        return "SDXL (a T2I-Adapter)" if adapter.xl else "Stable Diffusion 1.x (a T2I-Adapter)"
    return None


def name_of(network: Any) -> str:
    """A UNet, or the half of one that a ControlNet is."""
    widths = contexts(network)
    known = CONTEXTS.get(next(iter(widths), 0))
    return known or f"a network with text {'/'.join(map(str, sorted(widths)))} wide and {len(network.input_blocks)} blocks down"


def contexts(network: Any) -> set[int]:
    """The widths of the texts that it reads."""
    blocks: Iterable[Any] = (transformer for block in network.input_blocks for layer in block if isinstance(layer, SpatialTransformer)
                             for transformer in layer.transformer_blocks)
    return {transformer.attn2.to_k.weight.shape[1] for transformer in blocks}


def of_type(control: Any, union_type: str) -> Any:
    """A union ControlNet set to one kind of hint, as core's SetUnionControlNetType does; "auto" leaves it as it is."""
    if union_type == "auto":
        return control
    network = getattr(control, "control_model", None)
    if not hasattr(network, "num_control_type") and not hasattr(network, "controlnet_mode_embedder"):
        raise not_union(union_type)
    control = control.copy()
    control.set_extra_arg("control_type", [UNION_TYPES[union_type]])
    return control
