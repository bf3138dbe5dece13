"""Keys and values of tokens that are not the model's text: who makes them, for which rows, and with how much weight in them."""
from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..program import Index

VALUE_SCALINGS = ("V only", "K+V", "K+V w/ C penalty", "K+mean(V) w/ C penalty")
FULL_WIDTH = 1280  # the channels at which the penalty is none


class Projections(Protocol):
    """An adapter's own keys and values, one pair of layers for each cross-attention."""

    id: str  # the same for the same weights
    count: int  # 16 or 70

    def project(self, number: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """tokens [S, T, C] -> k, v [S, T, H*D] of cross-attention `number` in published order, on the device and in the dtype of the tokens."""
        ...


def heads(t: Tensor, count: int) -> Tensor:
    """[S, T, H*D] -> [S, H, T, D]"""
    return t.unflatten(-1, (count, -1)).transpose(1, 2)


def take(t: Tensor, places: tuple[int, ...], index: Index) -> Tensor:
    """t [S, ...] -> [R, ...]; without a copy where all rows read one picture, or evenly spaced ones."""
    if len(set(places)) == 1:
        return t[places[0] : places[0] + 1].expand(len(places), *t.shape[1:])
    return t[index[places, t.device]]


def scaled(k: Tensor, v: Tensor, weight: float, how: str) -> tuple[Tensor, Tensor]:
    """k, v [R, H, T, D] with the weight in them; the penalty lowers it where the layer has fewer channels than 1280."""
    if how.endswith("w/ C penalty"):
        weight *= k.shape[1] * k.shape[-1] / FULL_WIDTH
    if not how.startswith("K+mean(V)"):
        return k * weight, v * weight
    mean = v.mean(-2, keepdim=True)
    return k * weight, v - mean + mean * weight
