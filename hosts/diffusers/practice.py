"""The practice model on diffusers: MODEL, CLIP, VAE, CONTROL_NET and the image adapter."""
from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from ...model_loaders.clip_tower import TowerConfig
from ...model_loaders.clip_vision import practice_vision
from ...model_loaders.image_adapter import ImageAdapter, read_image_adapter
from ...practice import model as practice
from ...practice import words
from ...processors.errors import ConcordError
from .control_net import Control
from .graph.context import current
from .loading.clip import Clip, Tokens, Tower
from .loading.text import text_tower
from .loading.vae import Vae
from .model import LatentFormat, Model


@dataclass(frozen=True, eq=False)
class PracticeClip(Clip):
    """Names the words that the practice model never saw."""

    def tokenize(self, text: str) -> Tokens:
        if unknown := words.unknown_words(text):
            logging.getLogger(__name__).warning(words.unknown_message(unknown))
        return super().tokenize(text)


def load_model() -> tuple[Model, Clip, Vae]:
    device, dtype = current().device, current().dtype
    network: Any = practice.load_unet(folder()).to(device)
    model = Model(network.to(dtype) if dtype else network, latent=LatentFormat(scale=1.0))
    return model, PracticeClip((Tower("l", text(device)),)), Vae(practice.load_autoencoder(folder()).to(device))


def load_control_net() -> Control:
    """For outlines, white on black."""
    return Control(practice.load_controlnet(folder()).to(current().device))  # type: ignore[arg-type]


def load_adapter() -> ImageAdapter:
    """With its own vision tower; small enough to stay on the CPU."""
    return replace(read_image_adapter(read("image_adapter"), "the practice image adapter"), vision=practice_vision(read("vision"), practice.VISION))


def folder() -> Path:
    if not (practice.WEIGHTS / "unet.safetensors").is_file():
        raise ConcordError(f"the practice model's weights are not in {practice.WEIGHTS}; install Concord as a whole clone")
    return practice.WEIGHTS


def read(name: str) -> dict[str, Tensor]:
    return {key: value.float() for key, value in load_file(str(folder() / f"{name}.safetensors")).items()}


def text(device: str) -> Any:
    state = read("text_encoder")
    table = "text_model.embeddings.token_embedding.weight"
    state[table] = words.expand(state[table])
    config = TowerConfig(width=practice.TEXT["hidden_size"], heads=practice.TEXT["num_attention_heads"], layers=practice.TEXT["num_hidden_layers"],
                         inner=practice.TEXT["intermediate_size"], activation=practice.TEXT["hidden_act"], projection=0, tokens=words.VOCABULARY)
    return text_tower(state, "the practice text encoder", "the practice text tower", device, config)
