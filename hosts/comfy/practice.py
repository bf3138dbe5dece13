"""The practice model in ComfyUI's own classes, from the files that diffusers loads too.

ComfyUI recognises models by the widths of the published ones, so these are built directly.
"""
from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.cldm.cldm
import comfy.controlnet
import comfy.latent_formats
import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import comfy.utils
import torch
from torch import Tensor

from ...model_loaders.clip_vision import practice_vision
from ...model_loaders.image_adapter import ImageAdapter, read_image_adapter
from ...practice import model as practice
from ...practice import words
from ...processors.errors import ConcordError

PIXELS = 128
TAESD_WIDTH = 64  # ComfyUI's; ours is narrower, and zeros beside it change nothing


def read(name: str) -> dict[str, Tensor]:
    """One weight file of the practice model, in float32."""
    path = Path(practice.WEIGHTS) / f"{name}.safetensors"
    if not path.is_file():
        raise ConcordError(f"the practice model's file {path.name} is not in {path.parent}; install Concord as a whole clone")
    return {key: value.float() for key, value in comfy.utils.load_torch_file(str(path), safe_load=True).items()}


def load_model() -> tuple[Any, Any, Any]:
    """MODEL, CLIP, VAE."""
    return unet(), clip(), vae()


def unet() -> Any:
    config = comfy.supported_models.SD15({**practice.COMFY_UNET, "dtype": torch.float32})
    config.unet_config.update(num_heads=practice.COMFY_UNET["num_heads"], num_head_channels=-1)  # the class sets 8 heads
    config.latent_format = comfy.latent_formats.LatentFormat()  # latents of unit deviation: nothing to scale
    config.native_pixels = PIXELS
    config.set_inference_dtype(torch.float32, None)
    load_device, offload_device = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    model = config.get_model({}, "", device=offload_device)
    model.diffusion_model.load_state_dict(renamed(read("unet"), comfy.utils.unet_to_diffusers(config.unet_config)))
    model.diffusion_model.eval()
    return comfy.model_patcher.ModelPatcher(model, load_device=load_device, offload_device=offload_device)


def renamed(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """diffusers' names -> the host's; every tensor must have one."""
    return {names[key]: value for key, value in state.items()}


class PracticeTokenizer(comfy.sd1_clip.SD1Tokenizer):
    """Names the words that the practice model never saw."""

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> Any:
        if unknown := words.unknown_words(text):
            logging.getLogger(__name__).warning(words.unknown_message(unknown))
        return super().tokenize_with_weights(text, return_word_ids, **kwargs)


def clip() -> Any:
    tower = {**practice.TEXT, "eos_token_id": words.END}
    clip = comfy.sd.CLIP(comfy.supported_models_base.ClipTarget(PracticeTokenizer, comfy.sd1_clip.SD1ClipModel),
                         model_options={"clip_l_model_config": tower, "dtype": torch.float32})
    state = read("text_encoder")
    table = "text_model.embeddings.token_embedding.weight"
    state[table] = words.expand(state[table])
    state["text_projection.weight"] = torch.eye(practice.TEXT["hidden_size"])  # the host has one; the model was trained without
    missing, unexpected = clip.cond_stage_model.clip_l.transformer.load_state_dict(state, strict=False)
    if set(missing) - {"text_model.embeddings.position_ids"} or set(unexpected) - {"text_model.embeddings.position_ids"}:
        raise ConcordError(f"the practice text encoder does not fit this ComfyUI: missing {missing}, unexpected {unexpected}")
    return clip


def vae() -> Any:
    state: dict[str, Tensor] = {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}
    for key, value in read("autoencoder").items():
        side, _, number, *rest = key.split(".")
        place = int(number) + (side == "decoder")  # the host's decoder begins with a clamp
        state[".".join((f"taesd_{side}", str(place), *rest))] = widened(value, first=value.shape[1:2] in ((3,), (4,)), last=value.shape[0] in (3, 4))
    return comfy.sd.VAE(sd=state)


def widened(weight: Tensor, first: bool, last: bool) -> Tensor:
    """Zeros up to the host's width, on every side that is not the picture's or the latent's."""
    shape = [n if last else TAESD_WIDTH for n in weight.shape[:1]] + [n if first else TAESD_WIDTH for n in weight.shape[1:2]] + list(weight.shape[2:])
    wide = weight.new_zeros(shape)
    wide[tuple(slice(n) for n in weight.shape)] = weight
    return wide


def load_control_net() -> Any:
    """CONTROL_NET for outlines."""
    config = {key: value for key, value in practice.COMFY_UNET.items() if key not in ("out_channels", "transformer_depth_output")}
    names = comfy.utils.unet_to_diffusers({**practice.COMFY_UNET})
    load_device = comfy.model_management.get_torch_device()
    network = comfy.cldm.cldm.ControlNet(**config, hint_channels=3, dtype=torch.float32, device=comfy.model_management.unet_offload_device(),
                                         operations=comfy.ops.manual_cast)
    network.load_state_dict({control_name(key, names): value for key, value in read("controlnet").items()})
    return comfy.controlnet.ControlNet(network.eval(), load_device=load_device)


def control_name(key: str, names: dict[str, str]) -> str:
    """diffusers' name of a ControlNet tensor -> the host's."""
    if key in names:
        return names[key]
    part, *rest = key.split(".")
    if part == "controlnet_mid_block":
        return f"middle_block_out.0.{rest[-1]}"
    if part == "controlnet_down_blocks":
        return f"zero_convs.{rest[0]}.0.{rest[-1]}"
    place = {"conv_in": 0, "conv_out": 14}.get(rest[0])
    return f"input_hint_block.{2 + 2 * int(rest[1]) if place is None else place}.{rest[-1]}"


def load_adapter() -> ImageAdapter:
    """CONCORD_ADAPTER with its own vision tower; small enough to stay on the CPU."""
    return replace(read_image_adapter(read("image_adapter"), "the practice image adapter"), vision=practice_vision(read("vision"), practice.VISION))
