"""Chains of techniques, drawn by seed from the table: which nodes, with which of their settings, in which two orders, on which batch and canvas."""
from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .technique_rows import Apply, Setup, Technique

LONGEST = 6
CANVASES = ((8, 12), (9, 13), (7, 5))


class Link(NamedTuple):
    technique: Technique
    settings: str  # typical or other

    @property
    def apply(self) -> Apply:
        return getattr(self.technique, self.settings)

    def __str__(self) -> str:
        return f"{self.technique.name} ({self.settings})"


class Chain(NamedTuple):
    links: tuple[Link, ...]
    other_order: tuple[Link, ...]
    samples: int
    canvas: tuple[int, int]
    cfg: float

    def __str__(self) -> str:
        return " > ".join(map(str, self.links))

    @property
    def clash(self) -> bool:
        """Whether two of its techniques cannot go together."""
        names = {link.technique.name for link in self.links}
        return any(link.technique.clashes & names for link in self.links)


def draw(techniques: Sequence[Technique], seed: int) -> Chain:
    """Two to six of them."""
    random = Random(seed)
    links = [Link(technique, random.choice(("typical", "other"))) for technique in random.sample(techniques, random.randint(2, LONGEST))]
    shuffled = links[:]
    while shuffled == links:
        random.shuffle(shuffled)
    least = max(link.technique.pictures for link in links)
    return Chain(tuple(links), tuple(shuffled), max(least, random.choice((1, 2, 4))), random.choice(CANVASES), random.choice((1.0, 3.0, 3.0)))


def through(links: Sequence[Link], setup: Setup) -> Setup:
    for link in links:
        setup = link.apply(setup)
    return setup
