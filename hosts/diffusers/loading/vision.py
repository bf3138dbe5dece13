"""CLIP vision files -> CLIP_VISION: images -> tokens and an embedding, with ComfyUI's preprocessing."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ....processors.errors import ConcordError
from .build import below, build, count, listed
from .files import read_tensors
from .text_keys import layers_from_open_clip
from .tower import TowerConfig, VisionTower

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HEADS = 16  # of every published vision tower
KINDS = {1024: "ViT-L", 1280: "ViT-H", 1664: "ViT-bigG"}  # by width
TOP = {"class_embedding": "embeddings.class_embedding", "conv1.weight": "embeddings.patch_embedding.weight",
       "positional_embedding": "embeddings.position_embedding.weight", "ln_pre.weight": "pre_layrnorm.weight", "ln_pre.bias": "pre_layrnorm.bias",
       "ln_post.weight": "post_layernorm.weight", "ln_post.bias": "post_layernorm.bias"}  # fmt: skip


@dataclass(frozen=True, eq=False)
class VisionOutput:
    """CLIP_VISION_OUTPUT, under ComfyUI's names; on the CPU, float32. Read as attributes or like a dict."""

    last_hidden_state: Tensor  # [B, N, C]
    penultimate_hidden_states: Tensor  # [B, N, C]
    image_embeds: Tensor  # [B, P]

    def __getitem__(self, name: str) -> Tensor:
        return getattr(self, name)


@dataclass(frozen=True, eq=False)
class Vision:
    network: VisionTower  # eval mode, never changed

    @property
    def kind(self) -> str:
        """"ViT-L", "ViT-H" or "ViT-bigG": what an adapter's file was trained with; else the width."""
        return KINDS.get(self.network.config.width, f"a tower {self.network.config.width} wide")

    def encode_image(self, image: Tensor, crop: bool = True) -> VisionOutput:
        """[B, y, x, C] 0..1; `crop` takes the middle square, otherwise the image is squeezed into one."""
        device = self.network.vision_model.post_layernorm.weight.device
        with torch.no_grad():
            last, penultimate, embedding = self.network(preprocess(image.to(device).float(), self.network.config.image, crop))
        return VisionOutput(last.cpu(), penultimate.cpu(), embedding.cpu())


def preprocess(image: Tensor, size: int, crop: bool = True) -> Tensor:
    """[B, y, x, C] 0..1 -> [B, 3, size, size], with the mean and deviation that CLIP was trained with; rounded to 8 bits after resizing."""
    pixels = image[..., :3].movedim(-1, 1)
    y, x = pixels.shape[2:]
    if (y, x) != (size, size):
        factor = size / min(y, x)
        pixels = interpolate(pixels, size=(round(factor * y), round(factor * x)) if crop else (size, size), mode="bicubic", antialias=True)
        top, left = (pixels.shape[2] - size) // 2, (pixels.shape[3] - size) // 2
        pixels = pixels[:, :, top : top + size, left : left + size]
    pixels = (255.0 * pixels).clamp(0, 255).round() / 255.0
    return (pixels - pixels.new_tensor(MEAN)[:, None, None]) / pixels.new_tensor(DEVIATION)[:, None, None]


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
