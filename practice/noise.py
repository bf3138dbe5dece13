"""Stable Diffusion's noise schedule, and how the training loss weighs it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .model import SCHEDULE


def alphas() -> Tensor:
    """Cumulative alpha of the 1000 steps [1000], float32."""
    low, high, steps = SCHEDULE["beta_start"], SCHEDULE["beta_end"], SCHEDULE["num_train_timesteps"]
    return (1 - torch.linspace(low**0.5, high**0.5, steps, dtype=torch.float64) ** 2).cumprod(0).float()


def weights(alpha: Tensor) -> Tensor:
    """The loss weight of each step [1000]."""
    ratio = alpha / (1 - alpha)
    return ratio.clamp(max=5) / ratio * ratio.pow(-0.4).clamp(1, 5)


@dataclass(frozen=True)
class Noised:
    """A noised batch: noisy [B, 4, h, w] = sqrt(alpha) latents + sqrt(1 - alpha) noise; steps [B]; weight [B] of its loss."""

    noisy: Tensor
    noise: Tensor
    steps: Tensor
    weight: Tensor

    def loss(self, predicted: Tensor, where: Tensor) -> Tensor:
        """Weighted squared error of the predicted noise; where [B, 1, h, w] has mean 1."""
        return (self.weight * (where * (predicted.float() - self.noise).square()).mean((1, 2, 3))).mean()


class Noiser:
    """Adds noise at random steps.

    The loss is min-SNR(5) on epsilon, raised at high noise by SNR^-0.4 (at most 5 times): there it is decided which object has which colour, and the
    plain weight is small. Steps are drawn in proportion to the root of the weight, which lowers the variance of the gradient.
    """

    def __init__(self, device: torch.device) -> None:
        self.alphas = alphas().to(device)
        weight = weights(self.alphas)
        self.chance = weight.sqrt() / weight.sqrt().sum()
        self.weight = weight / self.chance / len(weight)  # what the uneven drawing leaves to weigh

    def __call__(self, latents: Tensor) -> Noised:
        steps = torch.multinomial(self.chance, len(latents), replacement=True)
        noise = torch.randn_like(latents)
        alpha = self.alphas[steps][:, None, None, None]
        return Noised(alpha.sqrt() * latents + (1 - alpha).sqrt() * noise, noise, steps, self.weight[steps])
