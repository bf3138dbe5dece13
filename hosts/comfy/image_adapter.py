"""Image adapters in ComfyUI: their files, the host's vision towers as they see pictures, and what a model's cross-attentions are."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.model_management
import torch
from comfy.model_base import SDXL
from torch import Tensor

from ...model_loaders.clip_vision import Vision, VisionOutput
from ...model_loaders.image_adapter import ImageAdapter, read_image_adapter
from ...processors.errors import ConcordError
from .folders import find
from .practice import PIXELS
from .support import check_supported, native_pixels
from .unet import sites

FOLDER = "ipadapter"


def read_adapter(name: str) -> ImageAdapter:
    """A file of models/ipadapter; its weights stay on the CPU, in the file's precision."""
    return read_image_adapter(find(FOLDER, name), name)


@dataclass(frozen=True, eq=False)
class HostVision:
    """A CLIP_VISION of the host with the functions of `clip_vision.Vision`; runs where the host's memory management puts it."""

    model: Any  # comfy.clip_vision.ClipVisionModel, never changed

    def encode_image(self, image: Tensor, crop: bool = True) -> VisionOutput:
        return seen(self.model.encode_image(image, crop=crop))

    def encode_mean_colour(self) -> VisionOutput:
        """Of one picture that is zero after normalising; the host itself only encodes pictures before it."""
        comfy.model_management.load_model_gpu(self.model.patcher)
        side = self.model.image_size
        last, penultimate, embedding, *_ = self.model.model(pixel_values=torch.zeros(1, 3, side, side, device=self.model.load_device), intermediate_output=-2)
        return seen({"last_hidden_state": last, "penultimate_hidden_states": penultimate, "image_embeds": embedding})


def seen(output: Any) -> VisionOutput:
    return VisionOutput(*(output[name].float().cpu() for name in ("last_hidden_state", "penultimate_hidden_states", "image_embeds")))


def vision(clip_vision: Any) -> Vision | HostVision:
    """CLIP_VISION -> what encodes pictures with it."""
    if isinstance(clip_vision, Vision):
        return clip_vision
    if not all(hasattr(clip_vision, name) for name in ("encode_image", "model", "patcher", "load_device", "image_size")):
        raise ConcordError(f"a CLIP_VISION was expected, got a {type(clip_vision).__name__}; connect Load CLIP Vision")
    return HostVision(clip_vision)


def cross_attentions(model: Any) -> tuple[int, int, str]:
    """How many cross-attentions a model has, how wide the tokens are that they read, and what the model is."""
    check_supported(model)
    base = model.model
    count = sum(site.kind == "cross" for _, _, site in sites(base.diffusion_model))
    published = "a Stable Diffusion XL model" if isinstance(base, SDXL) else "a Stable Diffusion 1.x model"
    kind = "the practice model" if native_pixels(model) == PIXELS else published
    return count, base.model_config.unet_config["context_dim"], kind
