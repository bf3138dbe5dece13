"""From what the branches say to the one clean latent that a sampler walks to."""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ...processors.run import Run
from ...processors.stepping import Stepper
from .conditions import Conditions, evaluate
from .model import Model


@dataclass(frozen=True, eq=False)
class Guided:
    """Classifier-free guidance, https://arxiv.org/abs/2207.12598: negative + cfg (positive - negative). At cfg 1 the negative is not run."""

    model: Model
    conds: Conditions
    cfg: float
    run: Run

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """x [B, C, h, w] at sigma [B] -> clean latent."""
        if math.isclose(self.cfg, 1.0):
            return evaluate(self.model, {"positive": self.conds["positive"]}, x, sigma, self.run)["positive"]
        said = evaluate(self.model, self.conds, x, sigma, self.run)
        return said["negative"] + (said["positive"] - said["negative"]) * self.cfg


@dataclass(frozen=True, eq=False)
class Masked:
    """Denoises where the mask is 1; where it is 0 the network sees `latent` at the step's noise level, and `latent` is what comes out."""

    guided: Guided
    latent: Tensor
    noise: Tensor
    mask: Tensor  # [B, C, h, w] 0..1

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        kept = self.latent + self.noise * sigma.view(-1, 1, 1, 1)
        out = self.guided(x * self.mask + kept * (1.0 - self.mask), sigma)
        return out * self.mask + self.latent * (1.0 - self.mask)


@dataclass(frozen=True, eq=False)
class Followed:
    """Tells a stepper of every evaluation, which may write into the sampler's x."""

    denoise: Callable[[Tensor, Tensor], Tensor]
    stepper: Stepper

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.stepper.enter(x, float(sigma[0]))
        return self.denoise(x, sigma)
