"""The practice model: its configurations, and its weights as diffusers and transformers objects.

Stable Diffusion 1.x in its block numbering (12 input, 1 middle and 12 output blocks, 16 cross-attentions), 64 channels wide at every
level: ComfyUI's channel multipliers stay whole numbers, and GroupNorm(32) keeps two channels a group.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .words import LENGTH, ROWS

if TYPE_CHECKING:
    import torch
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"

UNET = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (64, 64, 64, 64),
    "layers_per_block": 2,
    "cross_attention_dim": 64,
    "attention_head_dim": 4,  # the number of heads, as in Stable Diffusion 1.x files
    "norm_num_groups": 32,
}
COMFY_UNET = {
    "image_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 64,
    "channel_mult": [1, 1, 1, 1],
    "num_res_blocks": [2, 2, 2, 2],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1] * 9 + [0] * 3,
    "transformer_depth_middle": 1,
    "context_dim": 64,
    "num_heads": 4,
    "num_head_channels": -1,
    "use_spatial_transformer": True,
    "use_linear_in_transformer": False,
    "legacy": False,
    "use_temporal_attention": False,
    "use_temporal_resblock": False,
    "adm_in_channels": None,
    "num_classes": None,
}
TEXT = {
    "vocab_size": ROWS,
    "hidden_size": 64,
    "intermediate_size": 256,
    "projection_dim": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": LENGTH,
    "hidden_act": "quick_gelu",
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
AUTOENCODER = {"encoder_block_out_channels": (32,) * 4, "decoder_block_out_channels": (32,) * 4, "scaling_factor": 1.0}
CONTROLNET = {
    **{name: UNET[name] for name in ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim", "attention_head_dim", "norm_num_groups")},
    "conditioning_embedding_out_channels": (16, 32, 96, 256),
}
VISION = {
    "image_size": 64,
    "patch_size": 8,
    "hidden_size": 64,
    "intermediate_size": 256,
    "projection_dim": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "hidden_act": "quick_gelu",
}
IMAGE_TOKENS = 4
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def new_unet() -> nn.Module:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**UNET)


def new_text_encoder() -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(**TEXT))


def new_autoencoder() -> nn.Module:
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(**AUTOENCODER)


def new_controlnet() -> nn.Module:
    from diffusers import ControlNetModel

    return ControlNetModel(**CONTROLNET)


def new_vision() -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION))


def load_unet(folder: Path = WEIGHTS) -> nn.Module:
    """diffusers `UNet2DConditionModel`, float32, in evaluation mode."""
    return load_into(new_unet(), folder / "unet.safetensors")


def load_text_encoder(folder: Path = WEIGHTS) -> nn.Module:
    """transformers `CLIPTextModel` over the compact rows of `words.rows`."""
    return load_into(new_text_encoder(), folder / "text_encoder.safetensors")


def load_autoencoder(folder: Path = WEIGHTS) -> nn.Module:
    """diffusers `AutoencoderTiny`: images -1..1 outside, latents of about unit deviation inside."""
    return load_into(new_autoencoder(), folder / "autoencoder.safetensors")


def load_controlnet(folder: Path = WEIGHTS) -> nn.Module:
    """diffusers `ControlNetModel` for white outlines on black, 0..1."""
    return load_into(new_controlnet(), folder / "controlnet.safetensors")


def load_vision(folder: Path = WEIGHTS) -> nn.Module:
    """transformers `CLIPVisionModelWithProjection` for the image adapter."""
    return load_into(new_vision(), folder / "vision.safetensors")


def mixed(device: torch.device) -> torch.autocast:
    """Mixed precision where it is quicker: on GPUs and on CPUs that compute in bfloat16. Others would only imitate it, many times slower."""
    import torch

    able = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.10 and later
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or able.get("avx512_bf16", False) or able.get("amx_bf16", False))


def load_into(module: nn.Module, path: Path) -> nn.Module:
    """Load a weight file strictly, whichever transformers version named its text and vision tower's keys."""
    from safetensors.torch import load_file

    return fit_state(module, load_file(str(path))).eval().requires_grad_(False)


def fit_state(module: nn.Module, state: dict[str, Any]) -> nn.Module:
    """transformers 5 dropped the `text_model.` level of `CLIPTextModel`; files keep it, as every published file does."""
    own = module.state_dict()
    state = {key if key in own else key.removeprefix("text_model.").removeprefix("vision_model."): value.float() for key, value in state.items()}
    module.load_state_dict(state)
    return module
