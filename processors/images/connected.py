"""Which pixels hang together: labels of connected areas, whole batches at once."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def areas(mask: Tensor) -> tuple[Tensor, Tensor]:
    """mask [B, y, x] bool -> places [N] of its pixels in the flattened mask, and the number of the area that each belongs to (0..N-1).

    Pixels that touch, also by their corners, are of one area. The minimum-label method with shortcuts (Zhang, Azad, Buluc, "Parallel algorithms
    for finding connected components using linear algebra", 2020): rounds grow with the logarithm of the longest way, not with its length.
    """
    framed = pad(mask, (1, 1, 1, 1))
    places, width = framed.flatten().nonzero()[:, 0], framed.shape[-1]
    count = len(places)
    number = torch.full((framed.numel(),), count, device=mask.device)
    number[places] = torch.arange(count, device=mask.device)
    steps = torch.tensor([-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1], device=mask.device)
    near = number[places[:, None] + steps]  # [N, 8]; `count` where no pixel of the mask is
    parent = torch.arange(count + 1, device=mask.device)
    while count:
        grand = parent[parent]
        lowest = torch.minimum(grand[near].amin(1), grand[:-1])
        linked = parent.scatter_reduce(0, parent[:-1], lowest, "amin")
        linked[:-1] = torch.minimum(linked[:-1], lowest)
        linked = torch.minimum(linked, grand)
        if torch.equal(linked, parent):
            break
        parent = linked
    return mask.flatten().nonzero()[:, 0], parent[:-1]


def touching(weak: Tensor, strong: Tensor) -> Tensor:
    """The areas of `weak` that hold at least one pixel of `strong`. [B, y, x] bool"""
    places, area = areas(weak)
    kept = torch.zeros(len(places), dtype=torch.bool, device=weak.device)
    kept[area[strong.flatten()[places]]] = True
    return _only(weak, places, kept[area])


def larger(mask: Tensor, pixels: int) -> Tensor:
    """The areas of at least so many pixels. [B, y, x] bool"""
    places, area = areas(mask)
    return _only(mask, places, torch.bincount(area, minlength=1)[area] >= pixels)


def _only(mask: Tensor, places: Tensor, kept: Tensor) -> Tensor:
    result = torch.zeros_like(mask)
    result.view(-1)[places] = kept
    return result
