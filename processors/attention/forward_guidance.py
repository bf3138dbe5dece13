"""Forward guidance: what is looked at for a word is moved into its region, in the attention itself.

    P'[u, k] = (1 - lambda) P[u, k] + lambda g(u) sum over v: P[v, k]        g: the region, of sum 1

Chen, Laina, Vedaldi, Training-Free Layout Control with Cross-Attention Guidance, arXiv 2304.03373, section 3.2. Of the prompt's other tokens, that which
begins it is moved out of all regions, those that end and fill it into them: they carry the ground and the things of the whole picture.

Columns keep their sums, rows do not; so this is no softmax. The maps are not written out: with A the attention to these words' values alone,
the output gains lambda (g(u) sum over v: A(v) - A(u)).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from ..edit import AttentionEdit, Order
from ..program import Attend, Group, Plan, Segment, one_hot, total
from ..region_places import Views, covers, views_of
from ..regions import Region
from ..rows import Row, Site
from ..run import Step
from ..words import check_length

TECHNIQUE = "Forward guidance"
LAMBDA = 0.8  # the authors'


class Part(NamedTuple):
    """Tokens that are moved to one place: to these regions, or out of them."""

    tokens: tuple[int, ...]
    regions: tuple[int, ...]  # by number
    out: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class ForwardGuidance(AttentionEdit):
    """Moves the columns of words into their regions. A word of several regions goes to all of them."""

    technique = TECHNIQUE
    kind = "cross"
    order = Order.OUTPUT
    placed = True

    aims: tuple[tuple[Region, tuple[int, ...]], ...]  # each region with the places of its words in the prompt
    start: tuple[int, ...] = ()  # places of the tokens that begin the prompt; (): they stay
    end: tuple[int, ...] = ()  # of those that end and fill it
    strength: float = 1.0  # 1: the authors' lambda
    branches: frozenset[str] | None = frozenset({"positive"})
    entry: int = 0  # which conditioning of the branch has the words

    def neutral(self) -> bool:
        return self.strength == 0 or not self.aims

    def active(self, step: Step) -> bool:
        return super().active(step) and any(region.at(step.progress) for region, _ in self.aims)

    def takes(self, row: Row) -> bool:
        return super().takes(row) and row.entry == self.entry

    def finish(self, out: Tensor, plan: Plan, site: Site, step: Step, attend: Attend) -> Tensor:
        rows = step.where(self)
        changed = out.clone() if rows else out
        for group in plan.groups:
            inside = tuple(row for row in group.rows if row in rows)
            if inside:
                changed[plan.index[inside, out.device]] += self.moved(group.pick(inside, plan.index), site, step, attend)
        return changed

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What is moved together: one call of the attention each."""
        homes: dict[int, tuple[int, ...]] = {}
        for number, (_, tokens) in enumerate(self.aims):
            for token in tokens:
                homes[token] = (*homes.get(token, ()), number)
        found = [Part(tuple(token for token in homes if homes[token] == home), home) for home in dict.fromkeys(homes.values())]
        all_of_them = tuple(range(len(self.aims)))
        return (*found, *(Part(tokens, all_of_them, out) for tokens, out in ((self.start, True), (self.end, False)) if tokens))

    def moved(self, mine: Group, site: Site, step: Step, attend: Attend) -> Tensor:
        """What the output gains, [R, H, N, D]."""
        amounts = tuple(region.at(step.progress) for region, _ in self.aims)
        keep = step.resolve if any(region.curve for region, _ in self.aims) else step.once
        v, views = mine.own.v, views_of(mine.rows, step)
        wheres = keep((self.id, site.grid, views, amounts, v.dtype, v.device), lambda: tuple(self.where(part, amounts, site, views, v) for part in self.parts))
        gain = torch.zeros_like(mine.terms[0].q)
        for part, (there, share) in zip(self.parts, wheres, strict=True):
            check_length(part.tokens, v.shape[-2], site, self.technique)
            if share:
                held = self.held(mine, part.tokens, attend, step)
                gain = gain + (there * held.mean(-2, keepdim=True) - held) * share
        return gain

    def where(self, part: Part, amounts: Sequence[float], site: Site, views: Views, like: Tensor) -> tuple[Tensor, float]:
        """g of one part, of mean 1, [V, 1, N, 1], nothing where a view sees nothing of it; and its lambda."""
        named = [number for number in part.regions if amounts[number] > 0]
        if not named:
            return like.new_zeros(()), 0.0
        most = max(amounts[number] for number in named)
        weighed = covers([self.aims[number][0] for number in named], site.grid, views) * torch.tensor([amounts[n] / most for n in named]).double()[:, None]
        inside = weighed.amax(1)
        inside = 1 - inside if part.out else inside
        mean = inside.mean(-1, keepdim=True)
        there = inside / torch.where(mean > 0, mean, 1)
        return there[:, None, :, None].to(like), min(1.0, LAMBDA * self.strength * most)

    def held(self, mine: Group, tokens: tuple[int, ...], attend: Attend, step: Step) -> Tensor:
        """What the attention takes from these tokens of the prompt alone, [R, H, N, D]."""

        def only(s: Segment) -> Segment:
            if s.name != "own":
                return s._replace(v=torch.zeros_like(s.v))
            length = s.v.shape[-2]
            kept = step.once((self.id, tokens, length, s.v.dtype, s.v.device), lambda: one_hot(tokens, length, len(tokens), s.v).sum(1, keepdim=True))
            return s._replace(v=s.v * kept)

        asked = tuple(term._replace(segments=tuple(map(only, term.segments))) for term in mine.terms if any(s.name == "own" for s in term.segments))
        return total(Group(mine.rows, asked), attend)


def forward_guidance(aims: Sequence[tuple[Region, tuple[int, ...]]], strength: float = 1.0, window: tuple[float, float] = (0.0, 0.2),
                     layers: frozenset[int] | None = None, start: Sequence[int] = (), end: Sequence[int] = (), entry: int = 0) -> tuple[ForwardGuidance, ...]:
    """Forward guidance as edits. aims: each region with the places of its words in the prompt; start, end: those of the tokens that begin it, and that end
    and fill it; strength: 0 is off, 1 the authors' lambda of 0.8; window: progress; layers: cross-attentions, None: all; entry: which of several combined
    prompts has the words."""
    return (ForwardGuidance(aims=tuple(aims), strength=strength, window=window, layers=layers, start=tuple(start), end=tuple(end), entry=entry),)
