"""BoxDiff: things fill their boxes and do not leave them.

Xie et al., BoxDiff: Text-to-Image Synthesis with Training-Free Box-Constrained Diffusion, arXiv 2307.10816, section 3.2. The authors' code drops the
outer and the corner part from the move that follows a refinement, because it lost their gradients there; here that move has all of the loss too.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...edit import Edit
from ...looking import Seen
from ...regions import Region
from ...run import Step
from .aims import Aims, ExcitedEdit, excited, gathered, guided

SHARE, CORNER = 0.2, 1  # of the places inside and outside how many count: the strongest; and how far around a corner is still the corner


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxDiff(ExcitedEdit):
    """Equations 4 to 8, for each token of a region: 1 - its strongest places inside; its strongest places outside; and by how much its greatest value of
    each row and column misses the box's at the box's corners. While it refines, the first part moves the picture alone, of the token that has most."""

    technique = "BoxDiff"

    def losses(self, seen: Seen, step: Step) -> tuple[Tensor, Tensor]:
        inner, other = [], []
        for regions, tokens, weight in self.due(step):
            maps = excited(seen, tokens)
            key = "box", tuple(region.id for region in regions), maps.shape[-2:], maps.dtype, maps.device
            mask, corners = step.once(key, lambda regions=regions, maps=maps: box(regions, maps))
            inner.append(weight * (1 - strongest(maps, mask)).clamp(min=0))
            other.append(weight * (strongest(maps, 1 - mask).clamp(min=0) + sum(missed(maps, mask, at, axis) for axis, at in corners.items())))
        first = torch.cat(inner, 1)
        return first.max(1).values, first.sum(1) + torch.cat(other, 1).sum(1)


def strongest(maps: Tensor, mask: Tensor) -> Tensor:
    """maps [S, T, h, w], mask [h, w] -> [S, T]: the mean of the strongest fifth of the places inside."""
    count = max(1, int(mask.sum() * SHARE))
    return (maps * mask).flatten(2).topk(count, -1).values.mean(-1)


def missed(maps: Tensor, mask: Tensor, corner: Tensor, axis: int) -> Tensor:
    """[S, T]: how far the projection along an axis is from the mask's, at the corners, as a share of the whole line."""
    return ((maps.amax(axis) - mask.amax(axis)).abs() * corner).mean(-1)


def box(regions: Sequence[Region], like: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
    """The mask [h, w] of the regions on a grid as `like` has, and for each axis that is projected away where corners are on the other."""
    h, w = like.shape[-2:]
    mask, corners = like.new_zeros(h, w), {-2: like.new_zeros(w), -1: like.new_zeros(h)}
    for region in regions:
        cells = region.cells((h, w), round)  # the authors count boxes to the nearest cell
        mask = torch.maximum(mask, cells.to(mask))
        for axis, inside in ((-2, cells.any(-2)), (-1, cells.any(-1))):
            at = inside.nonzero().flatten()
            for edge in (int(at[0]), int(at[-1]) + 1):
                corners[axis][max(edge - CORNER, 0) : edge + CORNER + 1] = 1
    return mask, corners


def box_diff(aims: Aims, strength: float = 1.0, **how: Any) -> tuple[Edit, ...]:
    """BoxDiff as edits; () where it does nothing.

    aims: regions with the places of their words in the prompt; regions of the same words are one, their strengths and curves weigh their part of the
    loss. strength: 1 is the authors' step size. how: of `ExcitedEdit`: window, iterations, thresholds, layers (cross-attentions; None: all at a quarter of
    the latent's side), entry, mark.
    """
    return guided(BoxDiff(aims=gathered(aims), strength=strength, **how))
