"""Image adapters where diffusers is the host: their files, vision towers, and what a model's cross-attentions are. The functions of hosts/comfy's."""
from __future__ import annotations

from typing import Any

from ...model_loaders.clip_vision import Vision
from ...model_loaders.image_adapter import ImageAdapter, read_image_adapter
from ...practice import model as practice
from ...processors.errors import ConcordError
from .graph.context import current
from .model import Model
from .unet import sites

FOLDER = "ipadapter"


def read_adapter(name: str) -> ImageAdapter:
    """A file of models/ipadapter; its weights stay on the CPU, in the file's precision."""
    return read_image_adapter(current().find(FOLDER, name), name)


def vision(clip_vision: Any) -> Vision:
    """CLIP_VISION -> what encodes pictures with it."""
    if not isinstance(clip_vision, Vision):
        raise ConcordError(f"a CLIP_VISION was expected, got a {type(clip_vision).__name__}; connect Load CLIP Vision")
    return clip_vision


def cross_attentions(model: Model) -> tuple[int, int, str]:
    """How many cross-attentions a model has, how wide the tokens are that they read, and what the model is."""
    if not isinstance(model, Model):
        raise ConcordError(f"a MODEL was expected, got a {type(model).__name__}; connect a checkpoint loader")
    width = model.network.config.cross_attention_dim
    count = sum(site.kind == "cross" for site, _, _ in sites(model.network))
    own = width == practice.UNET["cross_attention_dim"]
    return count, width, "the practice model" if own else "a Stable Diffusion XL model" if model.family == "sdxl" else "a Stable Diffusion 1.x model"
