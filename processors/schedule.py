"""How far a run is, in the host's own percents, and values that change on the way."""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite, log

from .errors import ConcordError
from .pieces import pieces


class Progress:
    """sigma -> progress 0..1, the inverse of a host's percent_to_sigma (falling; log-linear between its 1000 timesteps).

    Only the knots that a bisection looks at are asked for, each once: an answer of the host may wait for its device.
    """

    STEPS = 999  # the host's timesteps: its own knots, so that nothing is lost between them
    EDGE = 1e-9  # hosts answer 0 and 1 with sigmas beyond every schedule

    def __init__(self, percent_to_sigma: Callable[[float], float]) -> None:
        self.percent_to_sigma = percent_to_sigma
        self.known: dict[int, float] = {}

    def knot(self, number: int) -> float:
        """-log sigma at one of the knots, rising."""
        if number not in self.known:
            percent = min(max(number / self.STEPS, self.EDGE), 1 - self.EDGE)
            self.known[number] = -log(float(self.percent_to_sigma(percent)))
        return self.known[number]

    def __call__(self, sigma: float) -> float:
        if sigma <= 0:
            return 1.0
        at = -log(sigma)
        i = bisect_left(range(self.STEPS + 1), at, key=self.knot)
        if i == 0:
            return 0.0
        if i > self.STEPS:
            return 1.0
        below, above = self.knot(i - 1), self.knot(i)
        return (i - 1 + (at - below) / (above - below)) / self.STEPS


@dataclass(frozen=True)
class Curve:
    """A factor over the progress of a run: straight lines between its points, level before the first and after the last."""

    points: tuple[tuple[float, float], ...]  # (progress 0..1, value), progress rising

    @classmethod
    def parse(cls, text: str) -> Curve | None:
        """"0:1, 0.5:0.2, 1:0" -> a curve: progress and value of each point, divided by commas or lines. An empty text -> None: no curve, always 1."""
        points = tuple(point(piece, text) for piece in pieces(text))
        if back := next((f"{a[0]:g} comes before {b[0]:g}" for a, b in pairwise(points) if a[0] >= b[0]), None):
            raise ConcordError(f"a curve's points must go from the start of the run to its end, but in {text.strip()!r} {back}; "
                               "write each part of the run once, in order")
        return cls(points) if points else None

    def at(self, progress: float) -> float:
        """The value at a progress 0..1."""
        i = bisect_left(self.points, progress, key=lambda point: point[0])
        if i in (0, len(self.points)):
            return self.points[min(i, len(self.points) - 1)][1]
        (start, a), (end, b) = self.points[i - 1 : i + 1]
        return a + (b - a) * (progress - start) / (end - start)

    @property
    def zero(self) -> bool:
        """Nothing anywhere."""
        return all(value == 0 for _, value in self.points)

    @cached_property
    def id(self) -> str:
        """The content, for the digest of an edit."""
        return ", ".join(f"{progress!r}:{value!r}" for progress, value in self.points)


def point(piece: str, text: str) -> tuple[float, float]:
    """"0.5:0.2" -> (0.5, 0.2)"""
    try:
        progress, value = (float(number) for number in piece.split(":"))
    except ValueError:
        progress = value = float("nan")
    if not (0 <= progress <= 1 and isfinite(value)):
        raise ConcordError(f"{piece!r} in the curve {text.strip()!r} is no point; write the part of the run (0 is the start, 1 the end), "
                           "a colon and the value, with commas between the points: 0:1, 0.5:0.2, 1:0")
    return progress, value
