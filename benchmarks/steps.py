"""A run that is open, as both hosts begin one."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .setups import SIGMAS


@dataclass(eq=False)
class Call:
    """Each time it is called, it does the next step of its run: one prediction with guidance."""

    ask: Callable[[Tensor, Tensor], Tensor]  # x, sigma
    x: Tensor
    number: int = 0

    def __call__(self) -> Tensor:
        sigma, self.number = SIGMAS[self.number], self.number + 1
        return self.ask(self.x.clone(), self.x.new_full((len(self.x),), sigma))
