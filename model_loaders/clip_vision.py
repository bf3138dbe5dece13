"""A CLIP vision tower as a handle: images -> tokens and an embedding, with ComfyUI's names and preprocessing."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .clip_tower import TowerConfig, VisionTower

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
KINDS = {1024: "ViT-L", 1280: "ViT-H", 1664: "ViT-bigG"}  # by width


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
    eight_bits: bool = True  # pixels are rounded after resizing, as published towers saw them

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def encode_image(self, image: Tensor, crop: bool = True) -> VisionOutput:
        """[B, y, x, C] 0..1; `crop` takes the middle square, otherwise the image is squeezed into one."""
        return self.encode(preprocess(image.to(self.device).float(), self.network.config.image, crop, self.eight_bits))

    def encode_mean_colour(self) -> VisionOutput:
        """Of one picture that is zero after normalising: what adapters which read hidden states were trained with in the place of no picture."""
        side = self.network.config.image
        return self.encode(torch.zeros(1, 3, side, side, device=self.device))

    def encode(self, pixels: Tensor) -> VisionOutput:
        """Normalised pixels [B, 3, s, s]."""
        with torch.no_grad():
            last, penultimate, embedding = self.network(pixels)
        return VisionOutput(last.cpu(), penultimate.cpu(), embedding.cpu())


def preprocess(image: Tensor, size: int, crop: bool = True, eight_bits: bool = True) -> Tensor:
    """[B, y, x, C] 0..1 -> [B, 3, size, size], with the mean and deviation that CLIP was trained with; `eight_bits`: rounded after resizing."""
    pixels = image[..., :3].movedim(-1, 1)
    y, x = pixels.shape[2:]
    if (y, x) != (size, size):
        factor = size / min(y, x)
        pixels = interpolate(pixels, size=(round(factor * y), round(factor * x)) if crop else (size, size), mode="bicubic", antialias=True)
        top, left = (pixels.shape[2] - size) // 2, (pixels.shape[3] - size) // 2
        pixels = pixels[:, :, top : top + size, left : left + size]
    pixels = (255.0 * pixels).clamp(0, 255).round() / 255.0 if eight_bits else pixels.clamp(0, 1)
    return (pixels - pixels.new_tensor(MEAN)[:, None, None]) / pixels.new_tensor(DEVIATION)[:, None, None]


def practice_vision(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Vision:
    """The practice adapter's tower, for its own weights and a configuration in transformers' words; it was trained on pixels that are not rounded."""
    network = VisionTower(TowerConfig(width=config["hidden_size"], heads=config["num_attention_heads"], layers=config["num_hidden_layers"],
                                      inner=config["intermediate_size"], activation=config["hidden_act"], projection=config["projection_dim"],
                                      patch=config["patch_size"], image=config["image_size"]))  # fmt: skip
    network.load_state_dict(dict(tensors))
    return Vision(network.requires_grad_(False).eval(), eight_bits=False)
