"""CLIP vision files -> CLIP_VISION."""
from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ....model_loaders.clip_tower import TowerConfig, VisionTower
from ....model_loaders.clip_vision import KINDS, Vision
from ....processors.errors import ConcordError
from .build import below, build, count, listed
from .files import read_tensors
from .text_keys import layers_from_open_clip

HEADS = 16  # of every published vision tower
TOP = {"class_embedding": "embeddings.class_embedding", "conv1.weight": "embeddings.patch_embedding.weight",
       "positional_embedding": "embeddings.position_embedding.weight", "ln_pre.weight": "pre_layrnorm.weight", "ln_pre.bias": "pre_layrnorm.bias",
       "ln_post.weight": "post_layernorm.weight", "ln_post.bias": "post_layernorm.bias"}  # fmt: skip


def load_vision(path: Path, device: str = "cpu") -> Vision:
    """ViT-L, -H and -bigG, also at 336 px; told by their tensors."""
    tensors = _published_names(read_tensors(path))
    first = "vision_model.embeddings.class_embedding"
    if first not in tensors:
        raise ConcordError(f"{path.name} holds no CLIP vision tower (found {listed(tensors)}). ViT-L, ViT-H and ViT-bigG fit; SigLIP and DINO do not yet.")
    tensors = {name: tensor for name, tensor in tensors.items() if name.startswith(("vision_model.", "visual_projection.")) and "position_ids" not in name}
    config = vision_config(tensors)
    if config.width not in KINDS:
        raise ConcordError(f"{path.name} is a CLIP vision tower {config.width} wide, which is not supported. {', '.join(KINDS.values())} fit.")
    return Vision(build(lambda: VisionTower(config), tensors, path.name, device))


def vision_config(tensors: dict[str, Tensor], heads: int = HEADS) -> TowerConfig:
    kernel, places = tensors["vision_model.embeddings.patch_embedding.weight"], tensors["vision_model.embeddings.position_embedding.weight"]
    projection = tensors.get("visual_projection.weight")
    return TowerConfig(
        width=kernel.shape[0], heads=heads, layers=count(tensors, "vision_model.encoder.layers.{}."),
        inner=tensors["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0], activation="gelu" if kernel.shape[0] > 1024 else "quick_gelu",
        projection=0 if projection is None else projection.shape[0], patch=kernel.shape[-1], image=round((len(places) - 1) ** 0.5) * kernel.shape[-1],
    )  # fmt: skip


def _published_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    bare = below(tensors, "visual.")
    if "transformer.resblocks.0.ln_1.weight" not in bare:
        return tensors
    named = layers_from_open_clip(bare, "vision_model.")
    top = {f"vision_model.{TOP[name]}": tensor for name, tensor in bare.items() if name in TOP}
    return named | top | ({"visual_projection.weight": bare["proj"].T} if "proj" in bare else {})
