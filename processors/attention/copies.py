"""Maps of attention that one picture takes from another: the giver's queries and keys read the taker's values."""
from __future__ import annotations

import torch
from torch import Tensor

from ..program import Group, Segment, Term
from ..run import Step


def taken(mine: Group, theirs: Group, given: Tensor | None, step: Step) -> tuple[Term, ...]:
    """The giver's terms as they are finished here, with the taker's values; `given`: what becomes of the columns of its prompt's keys."""

    def take(s: Segment) -> Segment:
        kept = mine.segment(s.name)
        return s if kept is None else s._replace(v=kept.v, mix=product(step, s.mix, given if s.name == "own" else None, kept.mix))

    return tuple(t._replace(segments=tuple(map(take, t.segments))) for t in theirs.terms)


def own(mine: Group, kept: Tensor, step: Step) -> tuple[Term, ...]:
    """The taker's own terms, reduced to the columns that it keeps; keys beside its prompt's are copied with the giver's."""

    def reduce(s: Segment) -> Segment:
        return s._replace(mix=product(step, kept, s.mix)) if s.name == "own" else s._replace(v=torch.zeros_like(s.v))

    return tuple(t._replace(segments=tuple(map(reduce, t.segments))) for t in mine.terms if any(s.name == "own" for s in t.segments))


def product(step: Step, *mixes: Tensor | None) -> Tensor | None:
    """What several maps of columns do one after the other; made once a call, for all layers."""
    there = [mix for mix in mixes if mix is not None]
    if len(there) < 2:
        return there[0] if there else None
    make = lambda: (torch.linalg.multi_dot([mix.to(there[-1]) for mix in there]), there)  # they too: their ids stay theirs
    return step.resolve(("product", *map(id, there)), make)[0]
