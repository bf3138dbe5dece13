"""Regions of MultiDiffusion: each is predicted with a prompt and a negative of its own, and what is predicted is averaged by the masks.

Bar-Tal et al., MultiDiffusion, arXiv 2302.08113, section 5.2: region-based generation. Hosts average the entries of a branch by their masks, so that
regions are entries with masks; the background has what no region takes.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import ConcordError
from ..regions import Region
from ..rows import WORDS
from ..views import MARK
from .lanes import POOLED, Conditioning

FINE = (1024, 1024)  # cells of a mask over the canvas, whose size is not known before the run
OWN = frozenset({"mask", "area", "strength", "mask_strength", "set_area_to_bounds", "start_percent", "end_percent", "default", "gligen", MARK, WORDS, POOLED})


@dataclass(frozen=True, eq=False)
class Told:
    """A region's mask [y, x], times its strength, and what is told there. negative None: the background's."""

    mask: Tensor
    positive: Conditioning
    negative: Conditioning | None = None
    mark: str = ""


def check_regions(regions: Sequence[Region]) -> tuple[Region, ...]:
    """Those that act. Refuses what an average by masks cannot do."""
    for region in regions:
        if region.strength < 0 or region.curve:
            what = "a curve" if region.curve else f"a strength of {region.strength:g}"
            raise ConcordError(f"the region {region.name} has {what}, but MultiDiffusion averages whole predictions: give it a strength of 0 or more and "
                               "no curve, or use Region Guidance (Concord)")
    return tuple(region for region in regions if not region.off)


def weights(regions: Sequence[Region]) -> list[Tensor]:
    """How much each region counts, [y, x]."""
    return [region.cover(FINE) * region.strength for region in regions]


def with_regions(positive: Conditioning, negative: Conditioning, told: Sequence[Told]) -> tuple[Conditioning, Conditioning]:
    """The branches with the regions as entries of theirs, both with the same masks, so that guidance compares like with like."""
    if not told:
        return positive, negative
    left = (1 - torch.stack([one.mask for one in told]).sum(0)).clamp(min=0)
    sides = [placed(side, left) if left.any() else [] for side in (positive, negative)]
    for one in told:
        sides[0] += placed(one.positive, one.mask, one.mark)
        sides[1] += placed(negative if one.negative is None else one.negative, one.mask, one.mark)
    return sides[0], sides[1]


def placed(branch: Conditioning, mask: Tensor, mark: str = "") -> Conditioning:
    """Its entries where the mask is; a mask that one has already holds too."""
    marked = {MARK: mark} if mark else {}
    return [[tokens, {**keys, **marked, "mask": mask[None] if keys.get("mask") is None else both(keys["mask"], mask)}] for tokens, keys in branch]


def dressed(prompt: Conditioning, like: Conditioning) -> Conditioning:
    """A prompt with what the background's first entry has besides its own text, place and time: controls and sizes, where the prompt has none."""
    rest = {key: value for key, value in like[0][1].items() if key not in OWN} if like else {}
    return [[tokens, {**rest, **keys}] for tokens, keys in prompt]


def both(mask: Tensor, other: Tensor) -> Tensor:
    """[n, y, x]: a mask [y, x] or [n, y, x], times another [y, x]."""
    mask = mask if mask.ndim == 3 else mask[None]
    return interpolate(mask[:, None].float(), other.shape, mode="bilinear")[:, 0] * other
