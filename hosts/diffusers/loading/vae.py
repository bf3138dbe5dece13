"""The VAE handle: images <-> latents with ComfyUI's cropping and scaling, for the full autoencoder and the tiny one (TAESD)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CELL = 8  # pixels a latent cell


@dataclass(frozen=True, eq=False)
class Vae:
    """Latents outside are in the full autoencoder's units: a tiny autoencoder, made for the network's units, is scaled by `scale`."""

    network: Any  # diffusers AutoencoderKL or AutoencoderTiny, eval mode, never changed
    scale: float = 1.0
    shift: float = 0.0

    def encode(self, image: Tensor) -> Tensor:
        """[B, y, x, 3 or 4] 0..1 -> [B, 4, y // 8, x // 8]; what does not fill a cell is cut off on both sides. No noise is added: the mode."""
        pixels = crop_to_cells(image)[..., :3].movedim(-1, 1)
        return self._each(lambda one: self._mode(one * 2 - 1) / self.scale + self.shift, pixels)

    def decode(self, latent: Tensor) -> Tensor:
        """[B, 4, h, w] -> [B, 8 h, 8 w, 3] 0..1"""
        images = self._each(lambda one: self.network.decode((one - self.shift) * self.scale).sample, latent)
        return ((images + 1) / 2).clamp(0, 1).movedim(1, -1)

    def _mode(self, pixels: Tensor) -> Tensor:
        out = self.network.encode(pixels)
        return out.latent_dist.mode() if hasattr(out, "latent_dist") else out.latents

    def _each(self, run: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        """One image at a time, so that memory does not grow with the batch; out on the CPU, float32."""
        with torch.no_grad():
            return torch.cat([run(one.to(self.network.device, self.network.dtype)).float().cpu() for one in batch.split(1)])


def crop_to_cells(image: Tensor) -> Tensor:
    """[B, y, x, C] -> its middle, sides multiples of 8."""
    for side in (1, 2):
        over = image.shape[side] % CELL
        image = image.narrow(side, over // 2, image.shape[side] - over)
    return image
