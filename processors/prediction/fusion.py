"""How much each cell of a window counts where windows overlap."""
from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from ..rows import View
from ..views import FusionEdit

FUSIONS = ("uniform", "gaussian", "cosine", "linear")
FEATHERED = ("cosine", "linear")


@dataclass(frozen=True, eq=False, kw_only=True)
class Fusion(FusionEdit):
    """`uniform` counts every cell alike (the paper); `gaussian` favours the middle of a window (Mixture of Diffusers, arXiv 2302.02412); `cosine` and
    `linear` rise from a window's edges over `feather` cells (y, x), so that no window begins or ends at once. An edge of the canvas is none, unless the
    picture goes on over it."""

    technique = "MultiDiffusion"
    kind: str = "uniform"
    feather: tuple[int, int] = (0, 0)
    wrap: tuple[bool, bool] = (False, False)

    def weight(self, view: View) -> Tensor:
        return self.line(view, 0)[:, None] * self.line(view, 1)

    def line(self, view: View, axis: int) -> Tensor:
        """[h] or [w]"""
        start, size, full = view[axis], view[2 + axis], view.canvas[axis]
        if self.kind == "uniform":
            return torch.ones(size)
        if self.kind == "gaussian":
            return bell(size)
        rise = ramp(min(self.feather[axis], size // 2), self.kind)
        line, around = torch.ones(size), self.wrap[axis] and size < full
        if start > 0 or around:
            line[: len(rise)] *= rise
        if start + size < full or around:
            line[size - len(rise) :] *= rise.flip(0)
        return line


def bell(n: int) -> Tensor:
    """[n]: a Gaussian over a window's length with variance .01 of its square, as Mixture of Diffusers weighs its tiles; never below 1e-3."""
    at = (torch.arange(n, dtype=torch.float32) - (n - 1) / 2) / n
    return (-(at**2) / 0.02).exp().clamp(min=1e-3)


def ramp(n: int, kind: str) -> Tensor:
    """[n]: rising between 0 and 1, both excluded, so that two windows whose ramps lie over each other count 1 together."""
    straight = torch.arange(1, n + 1, dtype=torch.float32) / (n + 1)
    return straight if kind == "linear" else (1 - (pi * straight).cos()) / 2
