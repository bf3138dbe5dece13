"""ControlNet: what a control network adds to the features of the model, weighed by strength and schedule.

Zhang et al., Adding Conditional Control to Text-to-Image Diffusion Models, arXiv 2302.05543, section 3.
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from torch import Tensor

from ..edit import Edit, Stage
from ..run import Step


class Residuals(NamedTuple):
    """What is added to the skip tensors, first block first, and to the middle block; some adapters add to the blocks' inputs instead. None: nothing."""

    skips: tuple[Tensor | None, ...] = ()
    middle: tuple[Tensor | None, ...] = ()
    inputs: tuple[Tensor | None, ...] = ()

    def times(self, by: float) -> Residuals:
        return Residuals(*(tuple(t if t is None else t * by for t in part) for part in self))

    def plus(self, other: Residuals) -> Residuals:
        """Both together; the shorter of two lists goes with the first blocks."""
        return Residuals(*(tuple(both(a, b) for a, b in zip_longest(mine, theirs)) for mine, theirs in zip(self, other, strict=True)))


def both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


@dataclass(frozen=True, eq=False, kw_only=True)
class ControlResiduals(Edit):
    """The residuals of one control network times `strength`, inside the window of progress."""

    technique = "ApplyControlNet"
    stage = Stage.FEATURES
    strength: float = 1.0

    def neutral(self) -> bool:
        return self.strength == 0

    def weigh(self, residuals: Residuals, step: Step) -> Residuals:
        return residuals if self.strength == 1 else residuals.times(self.strength)
