"""ControlNet, union ControlNet and T2I-Adapter files, in the published or in diffusers' layout, told apart by their tensors -> CONTROL_NET."""
from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from ....model_loaders.files import read_nested
from ....processors.errors import ConcordError
from ..control_net import Control
from ..union_control_net import UnionControlNet
from .build import below, build, count, listed
from .files import named_tensors
from .t2i_adapter import adapter_from, find_adapter
from .unet import half_config
from .unet_keys import shape_of, to_diffusers

REFUSED = {  # a part of a tensor's name -> what the file is
    "lora_controlnet": "a Control-LoRA",
    "controlnet_blocks.0": "a ControlNet for Flux or Stable Diffusion 3",
    "control_blocks.": "a ControlNet for Qwen",
    "style_embedding": "a style adapter (load it with Load Style Model)",
    "backbone.": "a ControlNet for Stable Cascade",
    "lllite_": "a ControlNet-LLLite",
    "ip_adapter": "an IP-Adapter",
    "adapter_modules": "an IP-Adapter",
}
FITS = "ControlNets, union ControlNets and T2I-Adapters for Stable Diffusion 1.x and SDXL fit, in the published or in diffusers' layout"
UNION = ("task_embedding", "transformer_layes.", "spatial_ch_projs.", "control_add_embedding.")


def load_control_net(path: Path, device: str = "cpu", dtype: torch.dtype | None = None) -> Control:
    """`dtype` None: as the file has it, on a CPU float32."""
    content, file = read_nested(path), path.name
    adapter = find_adapter(content) if isinstance(content, dict) else None
    if adapter is not None:
        return Control(adapter_from(adapter, file, device, dtype))
    own = _control_tensors(named_tensors(content, path), file)
    shape, hints = shape_of(own), own["controlnet_cond_embedding.conv_in.weight"].shape[1]
    if shape.context not in (64, 768, 2048):
        family = " (Stable Diffusion 2)" if shape.context == 1024 else ""
        raise ConcordError(f"{file} is a ControlNet for text {shape.context} wide{family}, not supported yet. {FITS}.")
    config = half_config(shape) | {"conditioning_channels": hints, "conditioning_embedding_out_channels": _hint_widths(own)}
    dtype = dtype or (torch.float32 if device == "cpu" else own["conv_in.weight"].dtype)
    if "task_embedding" in own:
        types, width = own["task_embedding"].shape
        return Control(build(lambda: UnionControlNet(types, width, config), {_union_name(name): tensor for name, tensor in own.items()}, file, device, dtype))
    from diffusers import ControlNetModel  # slow to import: only when a file is loaded

    shuffle = path.stem.endswith(("_shuffle", "_shuffle_fp16"))  # nothing in the file tells it; ComfyUI goes by the name, too
    return Control(build(lambda: ControlNetModel(**config), own, file, device, dtype), pooled=shuffle)


def _control_tensors(tensors: dict[str, Tensor], file: str) -> dict[str, Tensor]:
    """-> in diffusers' layout."""
    published = below(tensors, "control_model.") or tensors
    if "controlnet_cond_embedding.conv_in.weight" in tensors:
        return tensors
    if "zero_convs.0.0.weight" in published and "lora_controlnet" not in tensors:
        if "difference" in tensors:
            raise ConcordError(f"{file} holds the difference to a model, which is not supported outside ComfyUI yet. {FITS}.")
        last = max(int(name.split(".")[1]) for name in published if name.startswith("input_hint_block."))
        named = {_diffusers_name(name, last): tensor for name, tensor in published.items()}
        return to_diffusers(named, shape_of(published))
    found = next((kind for part, kind in REFUSED.items() if any(part in name for name in tensors)), f"no ControlNet (it has {listed(tensors)})")
    raise ConcordError(f"{file} holds {found}, which this loader does not run yet. {FITS}.")


def _union_name(name: str) -> str:
    if name.startswith(UNION):
        return name
    return name.replace("controlnet_cond_embedding.", "hint.") if name.startswith("controlnet_cond_embedding.") else f"encoder.{name}"


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
