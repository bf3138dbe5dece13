"""Looks where diffusers is the host: the positive prediction with gradients, in the midst of a run."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...processors.gradients import ThroughFrozen, no_room
from .guidance import Guided, Masked


def look_of(denoise: Guided | Masked) -> Callable[[], Any]:
    """A run's `look`. denoise: as a sampler asks it; a mask of what is drawn acts as ever."""

    def evaluate(x: Tensor, sigma: float) -> None:
        guided = denoise.guided if isinstance(denoise, Masked) else denoise
        said = replace(guided, cfg=1.0)  # where the positive is asked alone
        with ThroughFrozen():
            (replace(denoise, guided=said) if isinstance(denoise, Masked) else said)(x, x.new_full((len(x),), sigma))

    @contextmanager
    def look() -> Iterator[Callable[[Tensor, float], None]]:
        try:
            with torch.enable_grad():
                yield evaluate
        except torch.OutOfMemoryError as error:
            raise no_room("take a smaller picture or batch, or a mode of RegionGuidance that needs none") from error

    return look
