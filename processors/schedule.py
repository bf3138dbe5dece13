"""Progress: how far a run is, in the host's own percents."""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cached_property
from math import log


class Progress:
    """sigma -> progress 0..1, the inverse of a host's percent_to_sigma (falling; log-linear between its 1000 timesteps).

    The table is made at the first question, because many runs never ask.
    """

    STEPS = 999  # the host's timesteps: its own knots, so that nothing is lost between them
    EDGE = 1e-9  # hosts answer 0 and 1 with sigmas beyond every schedule

    def __init__(self, percent_to_sigma: Callable[[float], float]) -> None:
        self.percent_to_sigma = percent_to_sigma

    @cached_property
    def table(self) -> list[float]:
        """-log sigma at every knot, rising."""
        percents = (min(max(i / self.STEPS, self.EDGE), 1 - self.EDGE) for i in range(self.STEPS + 1))
        return [-log(float(self.percent_to_sigma(percent))) for percent in percents]

    def __call__(self, sigma: float) -> float:
        if sigma <= 0:
            return 1.0
        at = -log(sigma)
        i = bisect_left(self.table, at)
        if i == 0:
            return 0.0
        if i > self.STEPS:
            return 1.0
        below, above = self.table[i - 1], self.table[i]
        return (i - 1 + (at - below) / (above - below)) / self.STEPS
