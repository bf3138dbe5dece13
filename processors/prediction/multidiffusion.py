"""MultiDiffusion: a canvas larger than the model's size is denoised in overlapping windows, averaged at every step.

Bar-Tal et al., MultiDiffusion: Fusing Diffusion Paths for Controlled Image Generation, arXiv 2302.08113, section 4 and algorithm 1.
"""
from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ..edit import Edit
from ..errors import ConcordError
from ..rows import View
from ..views import ViewEdit
from .fusion import FEATHERED, FUSIONS, Fusion


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows(ViewEdit):
    """Windows of `size` every `stride` latent cells (y, x); the last of a line ends flush with the edge. `wrap`: go on over the edge instead (y, x).
    `jitter`: a seed that moves the grid in every step by less than a stride, so that no edge lies twice at one place; the canvas's own edges keep
    their windows."""

    technique = "MultiDiffusion"
    size: tuple[int, int] = (64, 64)
    stride: tuple[int, int] = (8, 8)
    wrap: tuple[bool, bool] = (False, False)
    jitter: int | None = None

    def views(self, canvas: tuple[int, int], number: int = 0) -> tuple[View, ...]:
        size = min(self.size[0], canvas[0]), min(self.size[1], canvas[1])
        draw = None if self.jitter is None else Random(f"{self.jitter}/{number}")  # of a text: the same numbers everywhere
        moved = tuple(draw.randrange(stride) if draw else 0 for stride in self.stride)
        ys, xs = (starts(*line) for line in zip(canvas, size, self.stride, self.wrap, moved, strict=True))
        return tuple(View(y, x, *size, canvas) for y in ys for x in xs)


def starts(full: int, window: int, stride: int, wrap: bool, moved: int = 0) -> tuple[int, ...]:
    """Where windows begin on a line of `full` cells, on a grid that is `moved` by so many cells."""
    if window >= full:
        return (0,)
    if wrap:
        return tuple(start % full for start in range(moved, moved + full, stride))
    return tuple(sorted({0, *range(moved, full - window, stride), full - window}))


def multidiffusion(size: tuple[int, int], stride: tuple[int, int], fusion: str = "uniform", wrap: tuple[bool, bool] = (False, False),
                   window: tuple[float, float] = (0.0, 1.0), feather: tuple[int, int] | None = None, jitter: int | None = None,
                   per_call: int = 0) -> tuple[Edit, ...]:
    """MultiDiffusion as edits. size, stride: latent cells (y, x), 1 <= stride <= size; window: progress in which windows are used; feather: cells of a
    ramp (y, x), by default as far as neighbours overlap; jitter: a seed; per_call: windows that are predicted together, 0 for as many as fit."""
    if min(size) < 1 or min(stride) < 1 or stride[0] > size[0] or stride[1] > size[1]:
        raise ConcordError(f"windows of {size[0]} x {size[1]} latent cells every {stride[0]} x {stride[1]} leave gaps; "
                           "the stride must be 1 to the window's size")
    if fusion not in FUSIONS:
        raise ConcordError(f"unknown fusion {fusion!r}; there are {', '.join(FUSIONS)}")
    overlap = size[0] - stride[0], size[1] - stride[1]
    ramps = {"feather": feather or overlap, "wrap": wrap} if fusion in FEATHERED else {}
    return (Windows(size=size, stride=stride, wrap=wrap, jitter=jitter, window=window, per_call=per_call),
            Fusion(kind=fusion, window=window, **ramps))
