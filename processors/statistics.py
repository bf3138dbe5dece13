"""AdaIN: a tensor with the mean and the deviation of another one, each channel for itself.

Huang and Belongie, Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization, arXiv 1703.06868, equation 8. With the mean alone it
is AdaIN-mean of Infinite-ID (arXiv 2403.11781, section 3.3).
"""
from __future__ import annotations

from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

MODES = ("mean and deviation", "mean", "deviation")
TOKENS, PLACES = (-2,), (-2, -1)  # of features [R, H, N, D]; of latents [B, C, h, w]
EPS = 1e-5  # the authors' of StyleAligned, added to variances


class Moments(NamedTuple):
    """Of each channel over all its places."""

    mean: Tensor
    deviation: Tensor
    there: Tensor | None = None  # whether the mask left any place to look at; None: it did


def moments(x: Tensor, dims: tuple[int, ...], weights: Tensor | None = None, eps: float = EPS) -> Moments:
    """The mean and the unbiased deviation sqrt(variance + eps) over `dims`, which stay with length 1; of a single place the deviation is sqrt(eps).

    weights: 0..1, how much each place counts; as long as x in `dims`. Half precision is summed as float32 and stays so.
    """
    if weights is None:
        count = prod(x.shape[dim] for dim in dims)
        variance, mean = torch.var_mean(x, dims, correction=min(1, count - 1), keepdim=True)  # one look at x
        return Moments(mean, (variance + eps).sqrt())
    x = wide(x)
    weights = weights.to(x)
    total = weights.sum(dims, keepdim=True)
    mean = (x * weights).sum(dims, keepdim=True) / total.clamp(min=eps)
    variance = ((x - mean).square() * weights).sum(dims, keepdim=True) / (total - 1).clamp(min=1)
    return Moments(mean, (variance + eps).sqrt(), total > 0)


def aligned(x: Tensor, own: Moments, like: Moments, mode: str = MODES[0], strength: float = 1.0, mask: Tensor | None = None) -> Tensor:
    """x, of which `own` are the moments, with those of `like`, in the dtype of x. strength: 0 nothing, 1 all; mask 0..1, broadcast: where."""
    deviation = 1 if mode == "mean" else like.deviation / own.deviation
    mean = own.mean if mode == "deviation" else like.mean
    changed = (x - own.mean) * deviation + mean
    gate = mask
    for there in (own.there, like.there):  # what has no place to look at has no statistics to give or to change
        if there is not None:
            gate = there.to(changed) if gate is None else gate * there
    if gate is not None or strength != 1:
        changed = x + (changed - x) * (strength if gate is None else gate.to(changed) * strength)
    return changed.to(x.dtype)


def wide(x: Tensor) -> Tensor:
    """In a precision that sums of thousands fit in."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()
