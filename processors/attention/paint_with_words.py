"""Paint with words: in its region a word is looked at more, the more the noisier the picture still is.

    P = softmax((q k^T + B) / sqrt(d))        B[u, k] = sum over regions with word k:  w g(sigma) max(q k^T) (m(u) - outside (1 - m(u)))

Balaji et al., eDiff-I, arXiv 2211.01324, section 5; the amounts and the other laws are those of cloneofsimo's paint-with-words-sd, which is what ran on
Stable Diffusion, and of Sarukkai et al., Collage Diffusion, arXiv 2303.00262, section 4.2. m is 1 in the region.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import NamedTuple

import torch
from torch import Tensor

from ..edit import AttentionEdit, Order
from ..errors import ConcordError
from ..program import Group, Plan, Segment, Term, one_hot
from ..region_places import covers, views_of
from ..regions import Region
from ..rows import Row, Site
from ..run import Step
from ..words import check_length
from .score_size import SCOPES, Size, score_size

TECHNIQUE = "Paint with words"


class Law(NamedTuple):
    """How strong the bias is: amount * of_sigma(sigma) * the size of the scores."""

    amount: float
    of_sigma: Callable[[float], float]
    size: str  # of the scores; one of score_size.KINDS


LAWS = {
    "0.1 log(1 + sigma) max": Law(0.1, lambda sigma: log(1 + sigma), "max"),  # paint-with-words-sd's own
    "0.4 log(1 + sigma) max": Law(0.4, lambda sigma: log(1 + sigma), "max"),  # its stronger examples
    "0.4 log(1 + sigma) std": Law(0.4, lambda sigma: log(1 + sigma), "std"),
    "0.4 log(1 + sigma^2) std": Law(0.4, lambda sigma: log(1 + sigma**2), "std"),
    "log(1 + sigma) max": Law(1.0, lambda sigma: log(1 + sigma), "max"),  # eDiff-I, whose amount is the artist's
    "0.4 log(1 + log(1.01 + sigma)) max of the words": Law(0.4, lambda sigma: log(1 + log(1.01 + sigma)), "max of the words"),  # Collage Diffusion
    "0.4 log(1.01 + sigma) max of the words": Law(0.4, lambda sigma: log(1.01 + sigma), "max of the words"),  # its earlier one
    "0.1 max": Law(0.1, lambda sigma: 1.0, "max"),  # the same amount at all noise
}


@dataclass(frozen=True, eq=False, kw_only=True)
class PaintWithWords(AttentionEdit):
    """A bias on the scores of words, more in their region. Several of these add up."""

    technique = TECHNIQUE
    kind = "cross"
    order = Order.SCORES
    placed = True

    aims: tuple[tuple[Region, tuple[int, ...]], ...]  # each region with the places of its words in the prompt
    strength: float = 1.0  # 1: the law's amount; 0: off
    law: str = next(iter(LAWS))
    scope: str = SCOPES[0]  # whose scores are measured
    outside: float = 0.0  # how much words are pushed out of the rest of the picture, as a share; Collage Diffusion: 0.5
    branches: frozenset[str] | None = frozenset({"positive"})
    entry: int = 0  # which conditioning of the branch has the words

    def neutral(self) -> bool:
        return self.strength == 0 or not self.aims

    def active(self, step: Step) -> bool:
        return super().active(step) and any(self.amounts(step))

    def takes(self, row: Row) -> bool:
        return super().takes(row) and row.entry == self.entry

    def amounts(self, step: Step) -> tuple[float, ...]:
        """w g(sigma) of each region, without the size of the scores."""
        amount = self.strength * LAWS[self.law].amount * LAWS[self.law].of_sigma(step.sigma)
        return tuple(amount * region.at(step.progress) for region, _ in self.aims)

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        rows = step.where(self)
        if not rows:
            return plan
        sizes = score_size(plan, rows, self.wanted(step), step)
        return plan.change(rows, lambda mine: self.paint(mine, sizes, site, step))

    def wanted(self, step: Step) -> Size:
        return step.once((self.id, "size"), lambda: Size(LAWS[self.law].size, self.scope, tuple(tokens for _, tokens in self.aims)))

    def paint(self, mine: Group, sizes: Callable[[Group], Tensor], site: Site, step: Step) -> tuple[Term, ...]:
        own = mine.own
        for _, tokens in self.aims:
            check_length(tokens, own.k.shape[-2], site, self.technique)
        where, hot = self.places(mine, site, step, own)
        amounts = step.resolve((self.id, own.k.dtype, own.k.device), lambda: (torch.tensor(self.amounts(step), dtype=torch.float64).to(own.k),))[0]
        bias = (where * (sizes(mine).to(own.k) * amounts)) @ hot
        return tuple(term.on("own", lambda s: s._replace(bias=bias if s.bias is None else s.bias + bias)) for term in mine.terms)

    def places(self, mine: Group, site: Site, step: Step, own: Segment) -> tuple[Tensor, Tensor]:
        """[1|R, 1, N, n] where each region is, and [n, M] which words are whose; made once a run."""
        views, length = views_of(mine.rows, step), own.k.shape[-2]

        def make() -> tuple[Tensor, Tensor]:
            inside = covers([region for region, _ in self.aims], site.grid, views).mT[:, None]
            words = [one_hot(tokens, length, len(tokens), inside).sum(1) for _, tokens in self.aims]
            return (inside - self.outside * (1 - inside)).to(own.k), torch.stack(words).to(own.k)

        return step.once((self.id, site.grid, views, length, own.k.dtype, own.k.device), make)


def paint_with_words(aims: Sequence[tuple[Region, tuple[int, ...]]], strength: float = 1.0, law: str = next(iter(LAWS)), scope: str = SCOPES[0],
                     outside: float = 0.0, window: tuple[float, float] = (0.0, 1.0), layers: frozenset[int] | None = None,
                     entry: int = 0) -> tuple[PaintWithWords, ...]:
    """Paint with words as edits. aims: each region with the places of its words in the prompt; law: one of LAWS; scope: one of score_size.SCOPES;
    outside 0..: the share of the amount that pushes words out of the rest; window: progress; layers: cross-attentions, None: all;
    entry: which of several combined prompts has the words."""
    if law not in LAWS or scope not in SCOPES:
        raise ConcordError(f"the law {law!r} of {scope!r} is not known; there are {', '.join(LAWS)}, of {', '.join(SCOPES)}")
    return (PaintWithWords(aims=tuple(aims), strength=strength, law=law, scope=scope, outside=outside, window=window, layers=layers, entry=entry),)
