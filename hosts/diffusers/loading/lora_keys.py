"""What LoRA files call a layer: kohya's underscores, the published layout's names, diffusers' and peft's paths -> our parameter names."""
from __future__ import annotations

import re
from collections.abc import Iterable

from .unet_keys import Shape, module_names, published_name

PARTS = {  # how each kind of file ends a layer's name -> what that tensor is
    "up": (".lora_up.weight", ".lora_B.weight", ".lora_B.default.weight", "_lora.up.weight", ".lora.up.weight",
           ".lora_linear_layer.up.weight", ".lora_B"),
    "down": (".lora_down.weight", ".lora_A.weight", ".lora_A.default.weight", "_lora.down.weight", ".lora.down.weight",
             ".lora_linear_layer.down.weight", ".lora_A"),
    "middle": (".lora_mid.weight",),
    "alpha": (".alpha",),
    "diff": (".diff",),
    "bias": (".diff_b",),
}  # fmt: skip
ENDINGS = sorted(((ending, part) for part, endings in PARTS.items() for ending in endings), key=lambda pair: -len(pair[0]))
OTHER_KINDS = {  # how the names of other kinds of file end
    "hada_w1_a": "LoHa", "lokr_w1": "LoKr", "lokr_w1_a": "LoKr", "dora_scale": "DoRA", "oft_blocks": "OFT", "a1.weight": "GLoRA",
}  # fmt: skip
TEXT_PREFIXES = {"l": ("lora_te_", "lora_te1_", "text_encoder."), "g": ("lora_te2_", "text_encoder_2.")}


def split_part(name: str) -> tuple[str, str] | None:
    """"lora_unet_x.lora_up.weight" -> ("lora_unet_x", "up"); None for a tensor of no kind known here."""
    return next(((name.removesuffix(ending), part) for ending, part in ENDINGS if name.endswith(ending)), None)


def unet_layers(parameters: Iterable[str], shape: Shape) -> dict[str, str]:
    """Every name that a file may give a layer of this UNet -> the layer's path."""
    blocks, layers = module_names(shape), {}
    for module in _modules(parameters):
        published = published_name(module, blocks) or module
        processor = re.sub(r"\.to_out\.0$", ".to_out", module).replace(".to_", ".processor.to_")
        for name in (f"lora_unet_{_flat(module)}", f"lycoris_{_flat(module)}", module, f"unet.{module}", processor, f"unet.{processor}",
                     f"lora_unet_{_flat(published)}", f"diffusion_model.{published}"):  # fmt: skip
            layers[name] = module
    return layers


def text_layers(parameters: Iterable[str], tower: str) -> dict[str, str]:
    """The same for the layers of text tower "l" or "g"."""
    layers = {}
    for module in _modules(parameters):
        for prefix in TEXT_PREFIXES[tower]:
            layers[prefix + (module if prefix.endswith(".") else _flat(module))] = module
        layers[f"text_encoders.clip_{tower}.transformer.{module}"] = module
    return layers


def _modules(parameters: Iterable[str]) -> list[str]:
    return [name.removesuffix(".weight") for name in parameters if name.endswith(".weight")]


def _flat(module: str) -> str:
    return module.replace(".", "_")
