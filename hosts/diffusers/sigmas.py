"""The noise levels that a run walks down: ComfyUI's schedulers by name, and the part of a schedule that a node asks for."""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...processors.errors import ConcordError
from .schedule import DiscreteSchedule


def normal(schedule: DiscreteSchedule, steps: int) -> Tensor:
    """Evenly spaced timesteps, both ends included."""
    return _at(schedule, torch.linspace(_first(schedule), 0, steps))


def sgm_uniform(schedule: DiscreteSchedule, steps: int) -> Tensor:
    """Evenly spaced timesteps, the last one left out."""
    return _at(schedule, torch.linspace(_first(schedule), 0, steps + 1)[:-1])


def simple(schedule: DiscreteSchedule, steps: int) -> Tensor:
    """Every (T / steps)-th training timestep, counted from the noisiest."""
    stride = len(schedule.sigmas) / steps
    return _ended([float(schedule.sigmas[-(1 + int(i * stride))]) for i in range(steps)])


def ddim_uniform(schedule: DiscreteSchedule, steps: int) -> Tensor:
    """Every (T // steps)-th training timestep, counted up from timestep 1; may give more than `steps` steps."""
    stride = max(len(schedule.sigmas) // steps, 1)
    return _ended([float(s) for s in schedule.sigmas[1::stride].flip(0)])


def karras(schedule: DiscreteSchedule, steps: int, rho: float = 7.0) -> Tensor:
    """Evenly spaced in sigma^(1/7), equation 5 of https://arxiv.org/abs/2206.00364."""
    high, low = float(schedule.sigma_max) ** (1 / rho), float(schedule.sigma_min) ** (1 / rho)
    return _ended((high + torch.linspace(0, 1, steps) * (low - high)) ** rho)


def exponential(schedule: DiscreteSchedule, steps: int) -> Tensor:
    """Evenly spaced in log sigma."""
    return _ended(torch.linspace(math.log(schedule.sigma_max), math.log(schedule.sigma_min), steps).exp())


def beta(schedule: DiscreteSchedule, steps: int, shape: float = 0.6) -> Tensor:
    """Timesteps at the quantiles of a Beta(0.6, 0.6) distribution, denser at both ends, https://arxiv.org/abs/2407.12173."""
    import numpy
    from scipy.stats import beta as distribution  # comes with torchsde; slow to import

    quantiles = distribution.ppf(1 - numpy.linspace(0, 1, steps, endpoint=False), shape, shape)
    timesteps = dict.fromkeys(numpy.rint(quantiles * (len(schedule.sigmas) - 1)).astype(int).tolist())  # many steps round to the same
    return _ended([float(schedule.sigmas[t]) for t in timesteps])


SCHEDULERS: dict[str, Callable[[DiscreteSchedule, int], Tensor]] = {
    f.__name__: f for f in (simple, sgm_uniform, karras, exponential, ddim_uniform, beta, normal)
}


def run_sigmas(
    schedule: DiscreteSchedule, scheduler: str, steps: int, denoise: float = 1.0, start: int | None = None, end: int | None = None, leftover: bool = True
) -> Tensor | None:
    """-> the falling noise levels of a run, float32 [n + 1], last one 0 unless stopped early; None where nothing is left to do.

    `denoise` below 1 takes the last `steps` of a schedule of `steps / denoise`. `start` and `end` cut it by step number;
    without `leftover` a run that is cut short still goes to 0 in its last step.
    """
    if scheduler not in SCHEDULERS:
        raise ConcordError(f"scheduler {scheduler!r} is not available here; use one of {', '.join(SCHEDULERS)}")
    if denoise <= 0.0:
        return None
    if denoise > 0.9999:
        sigmas = SCHEDULERS[scheduler](schedule, steps)
    else:
        sigmas = SCHEDULERS[scheduler](schedule, int(steps / denoise))[-(steps + 1) :]
    if end is not None and end < len(sigmas) - 1:
        sigmas = sigmas[: end + 1]
        if not leftover:
            sigmas = torch.cat([sigmas[:-1], sigmas.new_zeros(1)])
    if start is not None:
        sigmas = sigmas[start:] if start < len(sigmas) - 1 else sigmas[:0]
    return sigmas if len(sigmas) else None


def _first(schedule: DiscreteSchedule) -> int:
    return len(schedule.sigmas) - 1


def _at(schedule: DiscreteSchedule, timesteps: Tensor) -> Tensor:
    return _ended([float(schedule.sigma(t)) for t in timesteps])


def _ended(sigmas: Tensor | list[float]) -> Tensor:
    falling = torch.as_tensor(sigmas, dtype=torch.float32)
    return torch.cat([falling, falling.new_zeros(1)])
