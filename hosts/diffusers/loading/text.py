"""Text-tower tensors -> a CLIP handle: SD 1.x from tower L, SDXL from towers L and G."""
from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ....model_loaders.clip_tower import TextTower, TowerConfig
from ....processors.errors import ConcordError
from .build import build, count
from .clip import Clip, Tower
from .embeddings import EmbeddingFolders
from .files import read_tensors
from .text_keys import text_tower_tensors

HEAD = 64  # channels of an attention head in every published tower
KINDS = {768: "CLIP L", 1024: "CLIP H (Stable Diffusion 2)", 1280: "CLIP G"}


def sd1_clip(tower: dict[str, Tensor], file: str, embeddings: EmbeddingFolders = EmbeddingFolders(), device: str = "cpu") -> Clip:
    """The last layer, normed (also where `skip` stops earlier); pooled without projection."""
    return Clip((Tower("l", text_tower(tower, file, "CLIP L", device)),), embeddings=embeddings)


def sdxl_clip(l: dict[str, Tensor], g: dict[str, Tensor], file: str, embeddings: EmbeddingFolders = EmbeddingFolders(), device: str = "cpu") -> Clip:
    """The layer before the last of both, not normed; pooled of G, projected. G fills short prompts with token 0."""
    towers = (
        Tower("l", text_tower(l, file, "CLIP L", device), layer=-2, norm=False),
        Tower("g", text_tower(g, file, "CLIP G", device), pad=0, layer=-2, norm=False, projected=True),
    )
    return Clip(towers, embeddings=embeddings)


def text_tower(tensors: dict[str, Tensor], file: str, kind: str, device: str = "cpu", config: TowerConfig | None = None) -> TextTower:
    """Weights keep the file's precision, as in ComfyUI; they are computed with in float32."""
    tensors = text_tower_tensors(tensors)
    config = config or tower_config(tensors, file)
    found = KINDS.get(config.width, f"a tower {config.width} wide") if kind in KINDS.values() else kind
    if found != kind:
        raise ConcordError(f"{file} holds {found} where {kind} was expected. Stable Diffusion 1.x needs CLIP L, SDXL needs CLIP L and CLIP G.")
    if not config.projection:
        tensors = {name: tensor for name, tensor in tensors.items() if name != "text_projection.weight"}
    return build(lambda: TextTower(config), tensors, file, device)


def tower_config(tensors: dict[str, Tensor], file: str) -> TowerConfig:
    """Reads a published tower's sizes off its tensors."""
    name = "text_model.embeddings.token_embedding.weight"
    if name not in tensors:
        raise ConcordError(f"{file} holds no CLIP text tower (no {name}). Files of T5 or other language models are not supported yet.")
    tokens, width = tensors[name].shape
    fc1 = tensors.get("text_model.encoder.layers.0.mlp.fc1.weight")
    return TowerConfig(
        width=width, heads=width // HEAD, layers=count(tensors, "text_model.encoder.layers.{}."), inner=4 * width if fc1 is None else fc1.shape[0],
        activation="gelu" if width > 768 else "quick_gelu", projection=width if width > 768 else 0, tokens=tokens,
    )  # fmt: skip


def load_text(paths: list[Path], embeddings: EmbeddingFolders = EmbeddingFolders(), device: str = "cpu") -> Clip:
    """One file of tower L -> SD 1.x; files of L and G, in either order -> SDXL. Which is which is told by their width."""
    towers = {}
    for path in paths:
        tensors = text_tower_tensors(read_tensors(path))
        towers[tower_config(tensors, path.name).width] = tensors
    names = " and ".join(path.name for path in paths)
    if sorted(towers) == [768]:
        return sd1_clip(towers[768], names, embeddings, device)
    if sorted(towers) == [768, 1280]:
        return sdxl_clip(towers[768], towers[1280], names, embeddings, device)
    found = " and ".join(KINDS.get(width, f"a tower {width} wide") for width in towers)
    raise ConcordError(f"{names} holds {found}. Stable Diffusion 1.x needs CLIP L, SDXL needs CLIP L and CLIP G.")
