"""AdaIN on latents: each channel of a picture gets the mean and deviation that a reference has.

Huang and Belongie, arXiv 1703.06868, equations 8 and 15; as the start of a run: StyleID (arXiv 2312.09008, section 4.3).
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import ConcordError
from ..statistics import EPS, MODES, PLACES, Moments, aligned, moments


def latent_adain(latent: Tensor, references: Sequence[Tensor], weights: Sequence[float] = (1.0,), mode: str = MODES[0], strength: float = 1.0,
                 mask: Tensor | None = None, reference_masks: Sequence[Tensor | None] = (None,), eps: float = EPS) -> Tensor:
    """latent [B, C, h, w] with the statistics of its references [n, C, h', w'], the same shape and dtype.

    Sample b follows picture b % n of each reference; of several references the statistics are mixed by `weights`, which are made to sum to 1.
    mode: one of MODES; strength: 0 nothing, 1 all, between and beyond straight on. mask [1 | B, y, x] 0..1: what is changed, and whose statistics
    are taken for it; reference_masks [1 | n, y, x]: what of each reference counts. Where a mask is empty nothing happens.
    """
    if mode not in MODES:
        raise ConcordError(f"AdaIN knows no mode {mode!r}; there are {', '.join(MODES)}")
    for t in (latent, *references):
        if t.ndim != 4 or t.shape[1] != latent.shape[1]:
            raise ConcordError(f"latents of the shapes {list(latent.shape)} and {list(t.shape)} do not go together; "
                               "AdaIN needs pictures' latents [batch, channels, height, width] of one family of models")
    if len(weights) != len(references) or min(weights) < 0 or sum(weights) <= 0:
        raise ConcordError(f"the weights {list(weights)} do not fit {len(references)} references; give each one a weight of 0 or more, and not 0 to all")
    if strength == 0:
        return latent
    own = moments(latent, PLACES, on_grid(mask, latent), eps)
    found = [moments(t, PLACES, on_grid(m, t), eps) for t, m in zip(references, (*reference_masks, *[None] * len(references)), strict=False)]
    return aligned(latent, own, mixed([each(m, len(latent)) for m in found], [w / sum(weights) for w in weights]), mode, strength, on_grid(mask, latent))


def on_grid(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """[y, x] or [n, y, x] -> [B, 1, h, w], the share of each latent cell; picture b has mask b % n."""
    if mask is None:
        return None
    mask = mask if mask.ndim == 3 else mask[None]
    seen = interpolate(mask[:, None].to(like), like.shape[-2:], mode="area")
    return seen[[b % len(seen) for b in range(len(like))]]


def each(m: Moments, samples: int) -> Moments:
    """Those of n pictures, for each sample."""
    at = [b % len(m.mean) for b in range(samples)]
    return Moments(*(t if t is None else t[at] for t in m))


def mixed(found: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """What lies between several: AdaIN's result is straight in mean and deviation, so this mixes the results."""
    there = [m.there for m in found if m.there is not None]
    return Moments(sum(w * m.mean for w, m in zip(weights, found, strict=True)), sum(w * m.deviation for w, m in zip(weights, found, strict=True)),
                   torch.stack([t.expand_as(found[0].mean) for t in there]).all(0) if there else None)
