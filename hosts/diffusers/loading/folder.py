"""A pipeline folder as diffusers saves it (model_index.json, unet/, text_encoder/, vae/) -> MODEL, CLIP, VAE."""
from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from ....processors.errors import ConcordError
from .autoencoder import vae_from
from .checkpoint import Parts
from .embeddings import EmbeddingFolders
from .files import read_tensors
from .text import sd1_clip, sdxl_clip
from .unet import model_from

NAMES = [f"{stem}{variant}{ending}" for stem, ending in (("diffusion_pytorch_model", ".safetensors"), ("model", ".safetensors"),
         ("diffusion_pytorch_model", ".bin"), ("pytorch_model", ".bin")) for variant in ("", ".fp16", ".non_ema")]  # fmt: skip


def load_folder(folder: Path, embeddings: EmbeddingFolders = EmbeddingFolders(), device: str = "cpu", dtype: torch.dtype | None = None) -> Parts:
    """What the parts are is told by their tensors; of the settings only the prediction type is read."""
    _refuse_other_sampling(folder)
    model = model_from(_read(folder, "unet"), f"{folder.name}/unet", device, dtype)
    l = _read(folder, "text_encoder")
    if model.family == "sd1":
        clip = sd1_clip(l, f"{folder.name}/text_encoder", embeddings, device)
    else:
        clip = sdxl_clip(l, _read(folder, "text_encoder_2"), f"{folder.name}/text_encoder_2", embeddings, device)
    return model, clip, vae_from(_read(folder, "vae"), f"{folder.name}/vae", device, dtype, model.latent.scale)


def _read(folder: Path, part: str) -> dict[str, Tensor]:
    found = next((folder / part / name for name in NAMES if (folder / part / name).is_file()), None)
    if found is None:
        there = ", ".join(sorted(path.name for path in (folder / part).glob("*"))) or "nothing"
        raise ConcordError(f"{folder / part} holds no weights in one file (found {there}); expected one of {NAMES[0]}, {NAMES[3]}, {NAMES[6]}.")
    return read_tensors(found)


def _refuse_other_sampling(folder: Path) -> None:
    settings = folder / "scheduler" / "scheduler_config.json"
    try:
        prediction = json.loads(settings.read_text()).get("prediction_type", "epsilon") if settings.is_file() else "epsilon"
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise ConcordError(f"{settings} is not a settings file that can be read ({error}). Fetch it again.") from error
    if prediction != "epsilon":
        raise ConcordError(f"{folder.name} predicts {prediction}, which is not supported yet: models that predict the noise (epsilon) fit.")
