"""Regions: places of the picture, and what belongs there. In fractions of the canvas, so that one drawing fits every size."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import isfinite
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .edit import feed
from .errors import ConcordError
from .schedule import Curve

Box = tuple[float, float, float, float]  # x0, y0, x1, y1; half open; may lie partly off the canvas
Point = tuple[float, float]  # x, y
FINE = 8  # lines through a cell that look at the outline of a polygon
STRIP = 256  # rows of cells at once: large pictures would need much memory
FAR = 1e6  # to the right of everything


@dataclass(frozen=True, eq=False, kw_only=True)
class Region:
    """One place (a box, or a polygon, or a mask) with words of the picture's prompt that belong there, or with a prompt of its own."""

    box: Box | None = None
    polygon: tuple[Point, ...] = ()  # its corners, in order; even-odd where it crosses itself
    mask: Tensor | None = None  # [y, x] 0..1 over the whole canvas, at any size
    words: str = ""  # phrases of the main prompt, commas between
    prompt: Any = ""  # a text, or a conditioning that the host has encoded
    negative: Any = ""  # likewise; "" for the main one
    strength: float = 1.0  # 0: as if it were not there
    curve: Curve | None = None  # a factor over the run

    def __post_init__(self) -> None:
        given = (self.box is not None) + bool(self.polygon) + (self.mask is not None)
        if given != 1:
            raise ConcordError(f"a region is one box, one polygon or one mask, but this one ({self.name}) has {given} of them")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ConcordError(f"the region {self.name} is empty: its box goes from {self.box[:2]} to {self.box[2:]}; "
                               "draw it from its upper left to its lower right corner")
        if self.polygon and len(self.polygon) < 3:
            raise ConcordError(f"the region {self.name} has a polygon of {len(self.polygon)} corners; it needs three")
        if not all(map(isfinite, (*(self.box or ()), *(number for point in self.polygon for number in point), self.strength))):
            raise ConcordError(f"the region {self.name} has a number that is not finite")
        if self.mask is not None and self.mask.ndim != 2:
            raise ConcordError(f"the region {self.name} has a mask of shape {tuple(self.mask.shape)}; give one mask [y, x]")
        if not self.cover((32, 32)).any():
            raise ConcordError(f"the region {self.name} is empty: it covers nothing of the picture; draw it inside, or remove it")

    @cached_property
    def id(self) -> str:
        """Its place, words, strength and curve as content, for the digest of an edit that holds it; an edit that reads its prompts holds their tokens."""
        digest = sha256()
        feed(digest, (self.box, self.polygon, self.mask, self.words, self.strength, self.curve))
        return digest.hexdigest()[:16]

    @property
    def name(self) -> str:
        """For people: what is said of it."""
        said = self.words or (self.prompt if isinstance(self.prompt, str) else "")
        return repr(said) if said else "without words"

    def at(self, progress: float) -> float:
        """Its strength at that part of the run."""
        return self.strength * (self.curve.at(progress) if self.curve else 1.0)

    @property
    def off(self) -> bool:
        return self.strength == 0 or (self.curve is not None and self.curve.zero)

    def cover(self, size: tuple[int, int]) -> Tensor:
        """[h, w] float32 0..1: how much of each cell of an (h, w) grid over the canvas lies inside."""
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            return share(y0, y1, size[0])[:, None] * share(x0, x1, size[1])
        if self.mask is not None:
            return interpolate(self.mask[None, None].float(), size, mode="area")[0, 0].clamp(0, 1)
        return inside(self.polygon, size)

    def cells(self, size: tuple[int, int], whole: Callable[[float], int] = int) -> Tensor:
        """[h, w] bool: the cells that count as inside where a paper wants yes or no; never none. Of a box those from whole(x0 w) to whole(x1 w), which
        layout papers count with `int` or `round`; else those that are covered by half."""
        cover = self.cover(size)
        if self.box is None and cover.any():
            return cover >= min(0.5, float(cover.max()))
        left, top, right, bottom = self.box or self.bounds  # of an outline that is finer than the grid, too
        chosen = torch.zeros(size, dtype=torch.bool)
        y0, y1 = span(top, bottom, size[0], whole)
        x0, x1 = span(left, right, size[1], whole)
        chosen[y0:y1, x0:x1] = True
        return chosen

    @property
    def bounds(self) -> Box:
        """The box around it, on the canvas."""
        if self.box is not None:
            x0, y0, x1, y1 = self.box
        elif self.polygon:
            xs, ys = zip(*self.polygon, strict=True)
            x0, y0, x1, y1 = min(xs), min(ys), max(xs), max(ys)
        else:
            assert self.mask is not None
            rows, columns = ((self.mask > 0).any(axis).nonzero().flatten() for axis in (1, 0))
            h, w = self.mask.shape
            x0, y0, x1, y1 = int(columns[0]) / w, int(rows[0]) / h, (int(columns[-1]) + 1) / w, (int(rows[-1]) + 1) / h
        return max(x0, 0.0), max(y0, 0.0), min(x1, 1.0), min(y1, 1.0)


def share(start: float, end: float, cells: int) -> Tensor:
    """[cells]: how much of each cell of a line lies between two fractions of it."""
    edges = torch.arange(cells + 1, dtype=torch.float64).div(cells).clamp(start, end)
    return (edges.diff() * cells).float()


def span(start: float, end: float, cells: int, whole: Callable[[float], int]) -> tuple[int, int]:
    """The first cell of a stretch and the one behind its last; at least one cell, on the canvas."""
    first = min(max(whole(start * cells), 0), cells - 1)
    return first, min(max(whole(end * cells), first + 1), cells)


def inside(polygon: Sequence[Point], size: tuple[int, int]) -> Tensor:
    """[h, w] float32 0..1: how much of each cell lies inside: exact along x, on FINE lines through the cell along y; even-odd."""
    h, w = size
    xs = torch.arange(w + 1, dtype=torch.float32) / w
    rows = []
    for y in ((torch.arange(h * FINE, dtype=torch.float64) + 0.5) / (h * FINE)).split(STRIP * FINE):
        at = crossings(polygon, y).float().split(1, dim=1)
        covered = torch.stack([xs.clamp(start, end).diff() for start, end in zip(at[::2], at[1::2], strict=True)]).sum(0)
        rows.append((covered * w).unflatten(0, (-1, FINE)).mean(1))
    return torch.cat(rows).clamp(0, 1)


def crossings(polygon: Sequence[Point], y: Tensor) -> Tensor:
    """[lines, an even number]: where the lines at y meet the outline, from left to right, then far to the right as often as others meet it more often."""
    found = []
    for (ax, ay), (bx, by) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        at = ax + (y - ay) / (by - ay if ay != by else 1.0) * (bx - ax)
        found.append(torch.where((ay <= y) != (by <= y), at, FAR))
    found += [torch.full_like(y, FAR)] * (len(found) % 2)
    return torch.stack(found, 1).sort(1).values


def spoken(prompt: Any) -> bool:
    """Whether a region's prompt, a text or a conditioning, says something."""
    return bool(prompt.strip() if isinstance(prompt, str) else prompt)


def masks(regions: Sequence[Region], size: tuple[int, int]) -> Tensor:
    """[regions, y, x] float32 0..1: what each covers of a picture of (y, x) pixels."""
    return torch.stack([one.cover(size) for one in regions])
