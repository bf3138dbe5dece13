"""Whether a control of ComfyUI fits a model: told by their layers, and said by name before the first step."""
from __future__ import annotations

from itertools import count, takewhile
from typing import Any

from comfy.cldm.cldm import ControlNet
from comfy.controlnet import ControlBase, ControlLora, T2IAdapter
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.t2i_adapter.adapter import Adapter, Adapter_light

from ...processors.errors import ConcordError
from ...processors.features.controlnet import ControlResiduals, not_control, union_number

CONTEXTS = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "SDXL", 1280: "the SDXL refiner"}
LEVELS = {12: "Stable Diffusion 1.x", 9: "SDXL"}  # by how many blocks go down
ENTRIES = {False: (2, 5, 8, 11), True: (3, 5, 8, 8)}  # the blocks whose widths an adapter's maps have; True: for SDXL


def check_fits(control: Any, edit: ControlResiduals, model: Any) -> None:
    """control: one of the host's, without those before it; model: the host's BaseModel. Kinds that are not known here are left to the host."""
    unet = getattr(model, "diffusion_model", None)
    unet = getattr(unet, "_orig_mod", unet)  # compiled
    found = family(control)
    if not isinstance(unet, UNetModel):
        if found:
            refuse(f"a control for {found}", f"a {type(model).__name__} model")
        if edit.spatial:
            raise ConcordError(f"mode, block_weights, mask and global_pooling act on the blocks of a UNet, but the model is a {type(model).__name__} model; "
                               "leave them as they are, or take Stable Diffusion 1.x or SDXL")
        return
    widths = [block[0].out_channels for block in unet.input_blocks]
    network = network_of(control)
    if found is None and type(network).__module__.startswith("comfy."):
        refuse(f"a {type(network).__name__} (for other kinds of models)", name_of(unet))
    if found and not fits(control, network, unet, widths):
        refuse(f"a control for {found}", name_of(unet))
    edit.check_blocks(len(widths))


def fits(control: Any, network: Any, unet: UNetModel, widths: list[int]) -> bool:
    """control: of a known kind; widths: of the UNet's blocks on the way down."""
    if isinstance(control, ControlLora):
        return lora_widths(control) == widths
    if isinstance(network, ControlNet):
        return [conv[0].out_channels for conv in network.zero_convs] == widths and contexts(network) == contexts(unet)
    return len(widths) == (9 if network.xl else 12) and [widths[block] for block in ENTRIES[network.xl]] == list(network.channels)


def refuse(control: str, model: str) -> None:
    raise ConcordError(f"ApplyControlNet: this is {control}, but the model is {model}; load a control of the model's family, or another checkpoint")


def network_of(control: Any) -> Any:
    """What does the work; None where it is made when the run begins, or is not known."""
    return getattr(control, "t2i_model" if isinstance(control, T2IAdapter) else "control_model", None)


def family(control: Any) -> str | None:
    """The models that a control of a known kind was made for."""
    network = network_of(control)
    if isinstance(control, ControlLora):
        blocks = len(lora_widths(control))
        return f"{LEVELS.get(blocks, f'a network with {blocks} blocks down')} (a Control-LoRA)"
    if isinstance(network, ControlNet):
        return name_of(network)
    if isinstance(network, Adapter | Adapter_light):
        return f"{LEVELS[9 if network.xl else 12]} (a T2I-Adapter)"
    return None


def lora_widths(control: ControlLora) -> list[int]:
    """The widths of the blocks that a Control-LoRA speaks to."""
    weights = control.control_weights
    names = takewhile(weights.__contains__, (f"zero_convs.{i}.0.weight" for i in count()))
    return [weights[name].shape[0] for name in names]


def name_of(network: Any) -> str:
    """A UNet, or the half of one that a ControlNet is."""
    widths = contexts(network)
    known = CONTEXTS.get(min(widths, default=0))
    usual = next((blocks for blocks, name in LEVELS.items() if name == known), len(network.input_blocks))
    if known and len(network.input_blocks) == usual:
        return known
    return f"{known or 'a network'} with text {'/'.join(map(str, sorted(widths)))} wide and {len(network.input_blocks)} blocks down"


def contexts(network: Any) -> set[int]:
    """The widths of the texts that it reads."""
    layers = (layer for block in network.input_blocks for layer in block if isinstance(layer, SpatialTransformer))
    attentions = (transformer.attn2 for layer in layers for transformer in layer.transformer_blocks)
    return {attention.to_k.in_features for attention in attentions if attention is not None}


def of_type(control: Any, union_type: str) -> Any:
    """A union ControlNet set to one kind of hint, as core's SetUnionControlNetType does; "auto" leaves it as it is."""
    if not isinstance(control, ControlBase):
        raise not_control(control)
    if union_type == "auto":
        return control
    network = network_of(control)
    modes = getattr(network, "controlnet_mode_embedder", None)  # of Flux
    number = union_number(union_type, getattr(network, "num_control_type", 0) if modes is None else modes.weight.shape[0])
    control = control.copy()
    control.set_extra_arg("control_type", [number])
    return control
