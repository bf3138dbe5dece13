"""Test-only: Prompt-to-Prompt (Hertz et al., arXiv 2208.01626), word swap, refinement and self-attention copies."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from concord.processors.edit import AttentionEdit, Order
from concord.processors.program import Group, Plan, Segment, Term
from concord.processors.rows import Site
from concord.processors.run import Step
from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class CopyMaps(AttentionEdit):
    """The target looks where the source looked:  A <- A_source mapping diag(a) + A diag(1 - a),  a = alpha[number of the step]."""

    technique = "PromptToPrompt"
    order = Order.COPIES
    owns = frozenset({"queries", "keys"})
    taker = "target"
    branches: frozenset[str] | None = frozenset({"positive"})
    on: str = "cross"
    mapping: Tensor | None = None  # [words of the source, words of the target]; None: word for word
    alpha: Tensor | None = None  # [steps, words of the target]; None: 1

    def covers(self, site: Site) -> bool:
        return site.kind == self.on and super().covers(site)

    def active(self, step: Step) -> bool:
        return super().active(step) and (self.alpha is None or bool(self.alpha[step.number].any()))

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        a = None if self.alpha is None or bool((self.alpha[step.number] == 1).all()) else self.alpha[step.number]
        takers = step.where(self)

        def copy(mine: Group, theirs: Group) -> tuple[Term, ...]:
            taken = given(theirs, mine, chain(self.mapping, None if a is None else torch.diag(a)))
            return taken if a is None else (*taken, *kept(mine, torch.diag(1 - a)))

        return plan.change(takers, copy, step.givers("source", takers))


def given(theirs: Group, mine: Group, columns: Tensor | None) -> tuple[Term, ...]:
    """The source's maps with the target's values."""

    def take(s: Segment) -> Segment:
        own = mine.segment(s.name)
        return s if own is None else s._replace(v=own.v, mix=chain(s.mix, columns if s.name == "own" else None, own.mix))

    return tuple(t._replace(segments=tuple(map(take, t.segments))) for t in theirs.terms)


def kept(mine: Group, columns: Tensor) -> tuple[Term, ...]:
    """The target's own maps, for the words that are not copied."""
    silence: Callable[[Segment], Segment] = lambda s: s._replace(mix=chain(columns, s.mix)) if s.name == "own" else s._replace(v=torch.zeros_like(s.v))
    return tuple(t._replace(segments=tuple(map(silence, t.segments))) for t in mine.terms if any(s.name == "own" for s in t.segments))


def chain(*mixes: Tensor | None) -> Tensor | None:
    """The product of the column maps that are there."""
    there = [m for m in mixes if m is not None]
    return torch.linalg.multi_dot(there) if len(there) > 1 else there[0] if there else None
