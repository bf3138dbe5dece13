"""Draw pictures with the practice model for measuring: DPM-Solver++(2M) and classifier-free guidance in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .noise import alphas
from .words import rows

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]  # noisy [B, 4, h, w], steps [B], told [B, 77, C] -> noise


@dataclass(frozen=True)
class Sampler:
    """steps: solver steps; guidance: classifier-free guidance scale; seed: of the start noise, picture n takes seed + n."""

    steps: int = 25
    guidance: float = 4.0
    seed: int = 1000

    def noise(self, first: int, count: int, size: tuple[int, int]) -> Tensor:
        """Start noise [count, 4, h, w]; `size` is (height, width) in pixels."""
        shape = (4, size[0] // 8, size[1] // 8)
        return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(self.seed + first + n)) for n in range(count)])

    def times(self) -> list[int]:
        return torch.linspace(999, 0, self.steps + 1).round().int().tolist()[:-1]

    @torch.no_grad()
    def run(self, denoise: Denoiser, noise: Tensor, told: Tensor, empty: Tensor) -> Tensor:
        """Latents [B, 4, h, w] from start noise; told, empty: text states [B, 77, C] of the prompts and of nothing."""
        alpha = alphas()
        x, before, last = noise, None, 0.0
        times = self.times()
        for now, then in zip(times, [*times[1:], None], strict=True):
            a, s = alpha[now].sqrt(), (1 - alpha[now]).sqrt()
            both = denoise(torch.cat([x, x]), torch.full((2 * len(x),), now), torch.cat([told, empty])).float()
            positive, negative = both.chunk(2)
            clean = (x - s * (negative + self.guidance * (positive - negative))) / a
            if then is None:
                return clean
            a2, s2 = alpha[then].sqrt(), (1 - alpha[then]).sqrt()
            step = torch.log(a2 / s2) - torch.log(a / s)
            guess = clean if before is None else clean + (clean - before) * step / (2 * last)
            x, before, last = s2 / s * x - a2 * torch.expm1(-step) * guess, clean, step
        return x


@torch.no_grad()
def told(text_encoder: nn.Module, prompts: list[str]) -> Tensor:
    """Text states [B, 77, 64]."""
    return text_encoder(torch.tensor([rows(prompt) for prompt in prompts]))[0]


@torch.no_grad()
def decode(autoencoder: nn.Module, latents: Tensor) -> Tensor:
    """Latents -> images [B, 3, y, x] 0..1."""
    return (autoencoder.decode(latents).sample / 2 + 0.5).clamp(0, 1)
