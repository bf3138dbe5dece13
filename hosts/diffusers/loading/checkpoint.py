"""A single-file checkpoint of SD 1.x or SDXL -> MODEL, CLIP, VAE."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ....processors.errors import ConcordError
from ..model import Model
from .autoencoder import vae_from
from .build import below
from .clip import Clip
from .embeddings import EmbeddingFolders
from .files import read_tensors
from .text import sd1_clip, sdxl_clip
from .unet import model_from
from .vae import Vae

SD1_TEXT, SDXL_TEXT_L, SDXL_TEXT_G = "cond_stage_model.transformer.", "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."


@dataclass(frozen=True, eq=False)
class Absent:
    """Stands on a wire for a part that the file does not hold; says so when it is used."""

    part: str
    file: str

    def __getattr__(self, name: str):
        if name.startswith("__"):  # Python's own questions, not a use
            raise AttributeError(name)
        raise ConcordError(f"{self.file} holds no {self.part}: load one with its own loader and connect that.")


Parts = tuple[Model, Clip | Absent, Vae | Absent]


def load_checkpoint(path: Path, embeddings: EmbeddingFolders = EmbeddingFolders(), device: str = "cpu", dtype: torch.dtype | None = None) -> Parts:
    """A part that the file lacks comes as `Absent`. `dtype` None: the UNet as the file has it, on a CPU float32."""
    tensors, file = read_tensors(path), path.name
    model = model_from(tensors, file, device, dtype)
    vae = below(tensors, "first_stage_model.", "vae.")
    return model, _clip(tensors, model.family, file, embeddings, device), vae_from(vae, file, device, dtype, model.latent.scale) if vae else Absent("VAE", file)


def _clip(tensors: dict[str, Tensor], family: str, file: str, embeddings: EmbeddingFolders, device: str) -> Clip | Absent:
    if family == "sd1":
        tower = below(tensors, SD1_TEXT)
        return sd1_clip(tower, file, embeddings, device) if tower else Absent("CLIP (text encoder)", file)
    l, g = below(tensors, SDXL_TEXT_L), below(tensors, SDXL_TEXT_G)
    return sdxl_clip(l, g, file, embeddings, device) if l and g else Absent("CLIP (text encoders L and G)", file)
