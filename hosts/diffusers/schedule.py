"""The noise levels of a discrete-time diffusion model, and the three ways to name one: timestep, sigma, percent of a run."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BEFORE_ALL = 999999999.9  # percent 0 as a noise level: above every sigma of a run


@dataclass(frozen=True, eq=False)
class DiscreteSchedule:
    """`sigmas` [T], float32, rising: the noise level of each training timestep. Between timesteps, log sigma is linear."""

    sigmas: Tensor
    log_sigmas: Tensor

    @staticmethod
    def scaled_linear(first: float = 0.00085, last: float = 0.012, timesteps: int = 1000) -> DiscreteSchedule:
        """Stable Diffusion's schedule: the square roots of the betas are evenly spaced."""
        betas = torch.linspace(first**0.5, last**0.5, timesteps, dtype=torch.float64) ** 2
        alphas = torch.cumprod(1.0 - betas, dim=0)
        sigmas = ((1 - alphas) / alphas) ** 0.5
        return DiscreteSchedule(sigmas.float(), sigmas.log().float())

    @property
    def sigma_min(self) -> Tensor:
        return self.sigmas[0]

    @property
    def sigma_max(self) -> Tensor:
        return self.sigmas[-1]

    def timestep(self, sigma: Tensor) -> Tensor:
        """-> the nearest training timestep (by log sigma) of every element, int64, shape and device of `sigma`."""
        distance = sigma.log().reshape(-1).to(self.log_sigmas.device) - self.log_sigmas[:, None]  # [T, n]
        return distance.abs().argmin(dim=0).view(sigma.shape).to(sigma.device)

    def sigma(self, timestep: Tensor) -> Tensor:
        """-> the noise level at fractional timesteps, float32, device of `timestep`."""
        t = timestep.float().to(self.log_sigmas.device).clamp(0, len(self.sigmas) - 1)
        low, high, weight = t.floor().long(), t.ceil().long(), t.frac()
        return ((1 - weight) * self.log_sigmas[low] + weight * self.log_sigmas[high]).exp().to(timestep.device)

    def percent_to_sigma(self, percent: float) -> float:
        """-> the noise level at which `percent` (0..1) of the training timesteps have been walked down; 0 is before and 1 after any run."""
        if percent <= 0.0:
            return BEFORE_ALL
        if percent >= 1.0:
            return 0.0
        return self.sigma(torch.tensor((1.0 - percent) * 999.0)).item()
