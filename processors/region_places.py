"""Regions on the token grids of attention, as each row of a call sees them."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .regions import Region
from .rows import View
from .run import Step

Views = tuple[View | None, ...]


def views_of(rows: Sequence[int], step: Step) -> Views:
    """The windows that rows of a call look through; one where it is the same for all."""
    views = tuple(step.rows[row].view for row in rows)
    return views[:1] if len(set(views)) == 1 else views


def covers(regions: Sequence[Region], grid: tuple[int, int], views: Views) -> Tensor:
    """[V, n, N] float64 0..1 on the CPU: the share of each token that each region covers, in each view."""
    return torch.stack([torch.stack([cover(region, grid, view).flatten() for region in regions]) for view in views])


def cover(region: Region, grid: tuple[int, int], view: View | None) -> Tensor:
    """[h, w] float64 on the CPU"""
    if view is None:
        return region.cover(grid).to("cpu", torch.float64)
    seen = view.crop(region.cover(view.canvas).to("cpu", torch.float64))
    return interpolate(seen[None, None], grid, mode="area")[0, 0]
