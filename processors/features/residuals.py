"""What control networks add to the features of a UNet."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor


class Residuals(NamedTuple):
    """What is added to the skip tensors and to the middle block; some adapters add to the blocks' outputs instead, before they become skips.

    Each is [R | 1, C, h, w]; `skips` and `inputs` begin with the first block of the network. None: nothing there.
    """

    skips: tuple[Tensor | None, ...] = ()
    middle: tuple[Tensor | None, ...] = ()
    inputs: tuple[Tensor | None, ...] = ()

    @property
    def blocks(self) -> int:
        """How many blocks there are on the way down."""
        return max(len(self.skips), 1 + max((i for i, t in enumerate(self.inputs) if t is not None), default=-1))

    def times(self, by: float) -> Residuals:
        return self.each(lambda t, block: t * by)

    def each(self, change: Callable[[Tensor, int], Tensor]) -> Residuals:
        """change(tensor, block) -> tensor; block counts from the first one on, the middle is the last."""
        blocks = self.blocks
        over = lambda part, first=0: tuple(t if t is None else change(t, first + i) for i, t in enumerate(part))
        return Residuals(over(self.skips), over(self.middle, blocks), over(self.inputs))

    def plus(self, other: Residuals) -> Residuals:
        """Both together; the shorter of two lists goes with the first blocks."""
        return Residuals(*(tuple(both(a, b) for a, b in zip_longest(mine, theirs)) for mine, theirs in zip(self, other, strict=True)))


def stacked(parts: Sequence[Residuals]) -> Residuals:
    """The rows of several calls of one network as those of one call."""
    of = lambda tensors: None if tensors[0] is None else torch.cat(tensors)
    return Residuals(*(tuple(map(of, zip(*same, strict=True))) for same in zip(*parts, strict=True)))


def both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def pooled(t: Tensor) -> Tensor:
    """Its mean over the picture everywhere, as networks want it that say what a picture is like and not where."""
    return t.mean((-2, -1), keepdim=True).expand_as(t)
