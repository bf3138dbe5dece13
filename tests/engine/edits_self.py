"""Test-only edits of self-attention, for rows of the table that the project does not ship: who looks at whose keys and values."""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from concord.processors.edit import AttentionEdit, Order
from concord.processors.program import Attend, Group, Plan, Segment, Term
from concord.processors.rows import Site
from concord.processors.run import Step
from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Asks(AttentionEdit):
    """Takers of one lane ask one giver of another."""

    kind = "self"
    order = Order.SOURCE
    owns = frozenset({"keys", "values"})
    taker = "target"
    giver: ClassVar[str] = "source"

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        takers = step.where(self)
        return plan.change(takers, lambda mine, theirs: self.ask(mine, theirs, site, step), step.givers(self.giver, takers))

    def ask(self, mine: Group, theirs: Group, site: Site, step: Step) -> tuple[Term, ...]:
        return tuple(t.on("own", lambda s: s._replace(k=theirs.own.k, v=theirs.own.v)) for t in mine.terms)


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameAttention(Asks):
    """Every frame asks the first (Video-P2P, arXiv 2303.04761)."""

    technique = "FrameAttention"
    taker = "frame"


@dataclass(frozen=True, eq=False, kw_only=True)
class StyleInjection(Asks):
    """StyleID (arXiv 2312.09008): q = keep * content + (1 - keep) * own, keys and values of the style, sharper by `temperature`."""

    technique = "StyleID"
    giver = "reference"
    keep: float = 0.75
    temperature: float = 1.5

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        takers = step.where(self)
        content = lambda mine, theirs: tuple(
            t._replace(q=self.keep * theirs.terms[0].q + (1 - self.keep) * t.q, temperature=self.temperature) for t in mine.terms)
        return super().rewrite(plan.change(takers, content, step.givers("source", takers)), site, step)


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedAttention(Asks):
    """Infinite-ID (arXiv 2403.11781): the identity's keys and values, moved to the mean of one's own, before one's own."""

    technique = "InfiniteID"
    giver = "reference"
    order = Order.SEGMENTS
    owns = frozenset()

    def ask(self, mine: Group, theirs: Group, site: Site, step: Step) -> tuple[Term, ...]:
        own, other = mine.own, theirs.own
        moved = lambda x, like: x - x.mean(-2, keepdim=True) + like.mean(-2, keepdim=True)
        return tuple(t._replace(segments=(Segment(self.id, moved(other.k, own.k), moved(other.v, own.v)), *t.segments)) for t in mine.terms)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sharpen(AttentionEdit):
    """Scores of every row, at every kind of site, times a number."""

    technique = "Sharpen"
    order = Order.SCORES
    by: float = 1.25

    def neutral(self) -> bool:
        return self.by == 1

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        return plan.change(step.where(self), lambda mine: tuple(t._replace(temperature=t.temperature * self.by) for t in mine.terms))


@dataclass(frozen=True, eq=False, kw_only=True)
class Louder(AttentionEdit):
    """A function of the finished output: all of it, times a number."""

    technique = "Louder"
    order = Order.OUTPUT
    by: float = 2.0

    def finish(self, out: Tensor, plan: Plan, site: Site, step: Step, attend: Attend) -> Tensor:
        return out * self.by
