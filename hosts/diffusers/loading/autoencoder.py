"""Autoencoder tensors, in the published, diffusers' or TAESD's layout -> a VAE handle."""
from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from ....processors.errors import ConcordError
from .build import build, count, listed
from .vae import Vae

KEPT = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")  # the rest is training's: losses, averages
ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0",
             "query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # fmt: skip


def vae_from(tensors: dict[str, Tensor], file: str, device: str = "cpu", dtype: torch.dtype | None = None, scale: float = 1.0) -> Vae:
    """Float32, or bfloat16 where `dtype` is a half precision: SDXL's autoencoder overflows in float16. `scale` is for a tiny one that does not say its own."""
    dtype = torch.bfloat16 if dtype in (torch.float16, torch.bfloat16) else torch.float32
    if "taesd_decoder.1.weight" in tensors or "decoder.layers.0.weight" in tensors:
        return _tiny(tensors, file, device, dtype, scale)
    tensors = {name: tensor for name, tensor in tensors.items() if name.startswith(KEPT)}
    if "decoder.conv_in.weight" not in tensors:
        raise ConcordError(f"{file} holds no image autoencoder (no decoder.conv_in.weight; found {listed(tensors) or 'nothing of one'}). Choose a VAE file.")
    channels = tensors["decoder.conv_in.weight"].shape[1]
    if channels != 4 or tensors["decoder.conv_in.weight"].ndim != 4:
        raise ConcordError(f"{file} is an autoencoder with {channels} latent channels, of another family; Stable Diffusion 1.x and SDXL have 4.")
    tensors = _diffusers_names(tensors)
    from diffusers import AutoencoderKL  # slow to import: only when a file is loaded

    return Vae(build(lambda: AutoencoderKL(**_config(tensors)), tensors, file, device, dtype))


def _tiny(tensors: dict[str, Tensor], file: str, device: str, dtype: torch.dtype, scale: float) -> Vae:
    """`taesd_encoder.*`, `taesd_decoder.*`, or diffusers' names; `vae_scale` and `vae_shift` where the file says what its latents are scaled by."""
    named = dict(_tiny_names(tensors))
    width, channels = named["decoder.layers.0.weight"].shape[:2]
    if channels != 4:
        raise ConcordError(f"{file} is a tiny autoencoder with {channels} latent channels, of another family; Stable Diffusion 1.x and SDXL have 4.")
    from diffusers import AutoencoderTiny

    config = {"encoder_block_out_channels": (width,) * 4, "decoder_block_out_channels": (width,) * 4}
    network = build(lambda: AutoencoderTiny(**config), named, file, device, dtype)
    return Vae(network, float(tensors.get("vae_scale", scale)), float(tensors.get("vae_shift", 0.0)))


def _tiny_names(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        if match := re.fullmatch(r"taesd_(encoder|decoder)\.(\d+)\.(.*)", name):
            side, number, rest = match.groups()  # the published decoder counts its clamp as layer 0, diffusers does not
            yield f"{side}.layers.{int(number) - (side == 'decoder')}.{rest}", tensor
        elif name not in ("vae_scale", "vae_shift"):
            yield name, tensor


def _config(tensors: dict[str, Tensor]) -> dict:
    levels = count(tensors, "encoder.down_blocks.{}.")
    return {
        "down_block_types": ("DownEncoderBlock2D",) * levels, "up_block_types": ("UpDecoderBlock2D",) * levels, "latent_channels": 4,
        "block_out_channels": tuple(tensors[f"encoder.down_blocks.{i}.resnets.0.conv1.weight"].shape[0] for i in range(levels)),
        "layers_per_block": count(tensors, "encoder.down_blocks.0.resnets.{}."),
        "use_quant_conv": "quant_conv.weight" in tensors, "use_post_quant_conv": "post_quant_conv.weight" in tensors,
    }  # fmt: skip


def _diffusers_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    levels = count(tensors, "decoder.up.{}.")
    out = {}
    for name, tensor in tensors.items():
        name = re.sub(r"\.down\.(\d+)\.block\.", r".down_blocks.\1.resnets.", name)
        name = re.sub(r"\.down\.(\d+)\.downsample\.", r".down_blocks.\1.downsamplers.0.", name)
        name = re.sub(r"\.up\.(\d+)\.block\.", lambda m: f".up_blocks.{levels - 1 - int(m[1])}.resnets.", name)  # published: counted from the image
        name = re.sub(r"\.up\.(\d+)\.upsample\.", lambda m: f".up_blocks.{levels - 1 - int(m[1])}.upsamplers.0.", name)
        name = re.sub(r"\.mid\.block_(\d)\.", lambda m: f".mid_block.resnets.{int(m[1]) - 1}.", name)
        name = name.replace(".mid.attn_1.", ".mid_block.attentions.0.").replace(".nin_shortcut.", ".conv_shortcut.")
        name = re.sub(r"^(encoder|decoder)\.norm_out\.", r"\1.conv_norm_out.", name)
        if match := re.fullmatch(r"(.*\.attentions\.0)\.(\w+)\.(weight|bias)", name):
            name = f"{match[1]}.{ATTENTION.get(match[2], match[2])}.{match[3]}"
            tensor = tensor.flatten(1) if match[3] == "weight" and tensor.ndim == 4 else tensor  # 1x1 convolutions are linear layers
        out[name] = tensor
    return out
