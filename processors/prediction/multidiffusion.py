"""MultiDiffusion: a canvas larger than the model's size is denoised in overlapping windows, averaged at every step.

Bar-Tal et al., MultiDiffusion: Fusing Diffusion Paths for Controlled Image Generation, arXiv 2302.08113, section 4 and algorithm 1.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..edit import Edit
from ..errors import ConcordError
from ..rows import View
from ..views import FusionEdit, ViewEdit

FUSIONS = ("uniform", "gaussian")


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows(ViewEdit):
    """Windows of `size` every `stride` latent cells (y, x); the last of a line ends flush with the edge. `wrap`: go on over the edge instead (y, x)."""

    technique = "MultiDiffusion"
    size: tuple[int, int] = (64, 64)
    stride: tuple[int, int] = (8, 8)
    wrap: tuple[bool, bool] = (False, False)

    def views(self, canvas: tuple[int, int]) -> tuple[View, ...]:
        size = min(self.size[0], canvas[0]), min(self.size[1], canvas[1])
        ys, xs = (starts(full, window, stride, wrap) for full, window, stride, wrap in zip(canvas, size, self.stride, self.wrap, strict=True))
        return tuple(View(y, x, *size, canvas) for y in ys for x in xs)


@dataclass(frozen=True, eq=False, kw_only=True)
class Fusion(FusionEdit):
    """How windows blend: `uniform` counts every cell alike (the paper); `gaussian` favours the middle of a window (Mixture of Diffusers, arXiv 2302.02412)."""

    technique = "MultiDiffusion"
    kind: str = "uniform"

    def weight(self, view: View) -> Tensor:
        return torch.ones(view.h, view.w) if self.kind == "uniform" else bell(view.h)[:, None] * bell(view.w)


def starts(full: int, window: int, stride: int, wrap: bool) -> tuple[int, ...]:
    """Where windows begin on a line of `full` cells."""
    if window >= full:
        return (0,)
    if wrap:
        return tuple(range(0, full, stride))
    return (*range(0, full - window, stride), full - window)


def bell(n: int) -> Tensor:
    """[n]: a Gaussian over a window's length with variance .01 of its square, as Mixture of Diffusers weighs its tiles; never below 1e-3."""
    at = (torch.arange(n, dtype=torch.float32) - (n - 1) / 2) / n
    return (-(at**2) / 0.02).exp().clamp(min=1e-3)


def multidiffusion(size: tuple[int, int], stride: tuple[int, int], fusion: str = "uniform", wrap: tuple[bool, bool] = (False, False),
                   window: tuple[float, float] = (0.0, 1.0)) -> tuple[Edit, ...]:
    """MultiDiffusion as edits. size, stride: latent cells (y, x), 1 <= stride <= size; window: progress in which windows are used."""
    if min(size) < 1 or min(stride) < 1 or stride[0] > size[0] or stride[1] > size[1]:
        raise ConcordError(f"windows of {size[0]} x {size[1]} latent cells every {stride[0]} x {stride[1]} leave gaps; "
                           "the stride must be 1 to the window's size")
    if fusion not in FUSIONS:
        raise ConcordError(f"unknown fusion {fusion!r}; there are {', '.join(FUSIONS)}")
    return Windows(size=size, stride=stride, wrap=wrap, window=window), Fusion(kind=fusion, window=window)
