"""Scribbles: few, thick, white strokes on black, as one would sketch a picture's outlines with a marker."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from .connected import larger, touching
from .gradients import blurred, steepness

WAYS = ((0, 1), (1, 0), (1, 1), (1, -1))  # across, down and both diagonals
EDGE = 0.242  # of a straight line blurred by one pixel, what is left one pixel beside it


def outlines(image: Tensor, sigma: float = 2.0) -> Tensor:
    """Soft edges from the picture alone: [B, 1|3, y, x] 0..1 -> [B, 1, y, x] 0..1. `sigma` pixels, at least 1: finer detail is left out.

    Slopes count against the mean of their own picture, so that a dim picture has outlines too, but never less than a tenth of the range.
    """
    sigma = max(sigma, 1.0)
    slope = steepness(blurred(image, sigma)) * sigma
    return (slope / (4 * slope.mean((1, 2, 3), keepdim=True)).clamp(min=0.4)).clamp(0, 1)


def scribble(edges: Tensor, smoothness: float = 2.0, threshold: float = 0.4, thickness: float = 4.0, shortest: int = 32) -> Tensor:
    """Soft edges [B, 1, y, x] 0..1 -> strokes, 1 on 0.

    `smoothness` pixels: how far strokes are rounded. `threshold` 0..1: weaker edges are left out, but down to half of it where they go on from
    stronger ones. `thickness`: pixels. `shortest`: strokes of fewer pixels are left out.
    """
    soft = blurred(edges, smoothness)
    ridge, strength = _ridge(soft)[:, 0], soft[:, 0]
    middle = touching(ridge & (strength > threshold / 2), ridge & (strength > threshold))
    lines = larger(middle, shortest)[:, None].to(edges.dtype)
    sigma = thickness / 2
    return (blurred(lines, sigma) > EDGE / sigma).to(edges.dtype)


def _ridge(soft: Tensor) -> Tensor:
    """Tops along the way on which the map bends most, which is the way across a stroke. None at the picture's edge, where nobody knows."""
    y, x = soft.shape[-2:]
    wide = pad(soft, (1, 1, 1, 1))
    at = lambda dy, dx: wide[..., 1 + dy : 1 + dy + y, 1 + dx : 1 + dx + x]
    bends, tops = [], []
    for dy, dx in WAYS:
        before, after = at(-dy, -dx), at(dy, dx)
        bends.append((2 * soft - before - after) / (dy * dy + dx * dx))
        tops.append((soft > before) & (soft >= after))
    ridge = torch.stack(tops).gather(0, torch.stack(bends).argmax(0, keepdim=True))[0]
    return pad(ridge[..., 1:-1, 1:-1], (1, 1, 1, 1)) if min(y, x) > 2 else torch.zeros_like(ridge)
