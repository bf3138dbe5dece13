"""ControlNet files, in the published ("control_model.zero_convs") or diffusers' layout -> CONTROL_NET."""
from __future__ import annotations

import re
from pathlib import Path

import torch
from diffusers import ControlNetModel
from torch import Tensor

from ....processors.errors import ConcordError
from ..control_net import Control
from .build import below, build, count, listed
from .files import read_tensors
from .unet import half_config
from .unet_keys import shape_of, to_diffusers

REFUSED = {  # a part of a tensor's name -> what the file is
    "lora_controlnet": "a Control-LoRA",
    "task_embedding": "a union ControlNet",
    "controlnet_blocks.0": "a ControlNet for Flux or Stable Diffusion 3",
    "control_blocks.": "a ControlNet for Qwen",
    "body.0.in_conv": "a T2I-Adapter",
    "body.0.resnets": "a T2I-Adapter",
    "adapter.body": "a T2I-Adapter",
    "body.0.block1": "a T2I-Adapter",
    "lllite_": "a ControlNet-LLLite",
    "ip_adapter": "an IP-Adapter",
    "adapter_modules": "an IP-Adapter",
}
FITS = "ControlNets for Stable Diffusion 1.x and SDXL fit, in the published or in diffusers' layout"


def load_control_net(path: Path, device: str = "cpu", dtype: torch.dtype | None = None) -> Control:
    """`dtype` None: as the file has it, on a CPU float32. Names that end in _shuffle are averaged over the picture, as ComfyUI does."""
    tensors, file = read_tensors(path), path.name
    own = _control_tensors(tensors, file)
    shape, hints = shape_of(own), own["controlnet_cond_embedding.conv_in.weight"].shape[1]
    if shape.context not in (64, 768, 2048):
        family = " (Stable Diffusion 2)" if shape.context == 1024 else ""
        raise ConcordError(f"{file} is a ControlNet for text {shape.context} wide{family}, not supported yet. {FITS}.")
    config = half_config(shape) | {
        "conditioning_channels": hints, "conditioning_embedding_out_channels": _hint_widths(own),
        "global_pool_conditions": path.stem.endswith(("_shuffle", "_shuffle_fp16")),
    }  # fmt: skip
    dtype = dtype or (torch.float32 if device == "cpu" else own["conv_in.weight"].dtype)
    return Control(build(lambda: ControlNetModel(**config), own, file, device, dtype))


def _control_tensors(tensors: dict[str, Tensor], file: str) -> dict[str, Tensor]:
    """-> in diffusers' layout."""
    published = below(tensors, "control_model.") or tensors
    if "controlnet_cond_embedding.conv_in.weight" in tensors and not any("task_embedding" in name for name in tensors):
        return tensors
    if "zero_convs.0.0.weight" in published and "lora_controlnet" not in tensors:
        if "difference" in tensors:
            raise ConcordError(f"{file} holds the difference to a model, which is not supported outside ComfyUI yet. {FITS}.")
        last = max(int(name.split(".")[1]) for name in published if name.startswith("input_hint_block."))
        named = {_diffusers_name(name, last): tensor for name, tensor in published.items()}
        return to_diffusers(named, shape_of(published))
    found = next((kind for part, kind in REFUSED.items() if any(part in name for name in tensors)), f"no ControlNet (it has {listed(tensors)})")
    raise ConcordError(f"{file} holds {found}, which this loader does not run yet. {FITS}.")


def _diffusers_name(name: str, last: int) -> str:
    name = re.sub(r"^zero_convs\.(\d+)\.0\.", r"controlnet_down_blocks.\1.", name).replace("middle_block_out.0.", "controlnet_mid_block.")
    if match := re.match(r"input_hint_block\.(\d+)\.(.*)", name):
        layer, kind = int(match[1]), match[2]
        place = "conv_in" if layer == 0 else "conv_out" if layer == last else f"blocks.{layer // 2 - 1}"
        return f"controlnet_cond_embedding.{place}.{kind}"
    return name


def _hint_widths(tensors: dict[str, Tensor]) -> tuple[int, ...]:
    """Pairs of layers of one width each: the odd ones step to the next."""
    blocks = count(tensors, "controlnet_cond_embedding.blocks.{}.")
    wider = (tensors[f"controlnet_cond_embedding.blocks.{i}.weight"].shape[0] for i in range(1, blocks, 2))
    return (tensors["controlnet_cond_embedding.conv_in.weight"].shape[0], *wider)
