"""Train the autoencoder (TAESD layout) on pictures of the world, or fine-tune it while its latents stay where they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .drawing import render
from .model import mixed
from .world import random_scene

CROP = 64  # pixels: the autoencoder is convolutional, and crops carry more variety a second than whole pictures


def crops(rng: np.random.Generator, batch: int, wide: float) -> tuple[Tensor, Tensor]:
    """Random windows of random pictures [B, 3, y, x] -1..1, and which of them show objects [B]."""
    images, objects = [], []
    for _ in range(batch):
        scene = random_scene(rng, two=0.5, wide=wide, held_out=None)
        image = render(scene).image
        y, x = rng.integers(0, 128 - CROP + 1, 2) // 8 * 8
        images.append(image[:, y : y + CROP, x : x + CROP] * 2 - 1)
        objects.append(scene.wide is None)
    return torch.stack(images), torch.tensor(objects)


class AutoencoderLoss:
    """Reconstruction in absolute value, plus edges; latents of about unit size, or `anchor`'s latents on object pictures."""

    def __init__(self, autoencoder: nn.Module, anchor: nn.Module | None, device: torch.device, wide: float = 0.5, seed: int = 0) -> None:
        self.autoencoder, self.anchor, self.device, self.wide = autoencoder, anchor, device, wide
        self.rng = np.random.default_rng(seed)

    def __call__(self, step: int, batch: int) -> Tensor:
        images, objects = crops(self.rng, batch, self.wide)
        images, objects = images.to(self.device), objects.to(self.device)
        with mixed(self.device):
            latents = self.autoencoder.encode(images).latents
            drawn = self.autoencoder.decode(latents).sample
            if self.anchor is not None:
                with torch.no_grad():
                    anchors = self.anchor.encode(images).latents
        latents, drawn = latents.float(), drawn.float()
        loss = (drawn - images).abs().mean() + _edges(drawn - images)
        if self.anchor is None:
            return loss + 0.01 * (latents.square().mean() - 1).square() + 0.001 * F.relu(latents.abs() - 3).mean()
        held = ((latents - anchors.float()).square().mean((1, 2, 3)) * objects).sum() / objects.sum().clamp(min=1)
        return loss + 0.5 * held + 0.01 * F.relu(latents.square().mean() - 1)


def _edges(difference: Tensor) -> Tensor:
    return 0.5 * ((difference[..., 1:] - difference[..., :-1]).abs().mean() + (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean())
