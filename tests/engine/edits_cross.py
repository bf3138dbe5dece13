"""Test-only edits of cross-attention, for rows of the table that the project does not ship: who reads which words, and how loud."""
from __future__ import annotations

from dataclasses import dataclass, field
from math import log1p, sqrt

import torch
from concord.processors.edit import AttentionEdit, Order
from concord.processors.program import Group, Plan, Segment, Term
from concord.processors.rows import Site
from concord.processors.run import Step
from torch import Tensor
from torch.nn.functional import interpolate

POSITIVE = frozenset({"positive"})


@dataclass(frozen=True, eq=False, kw_only=True)
class ImagePrompt(AttentionEdit):
    """IP-Adapter (arXiv 2308.06721): a further softmax over image tokens, asked by the model's own q, times weight * mask."""

    technique = "IPAdapter"
    kind = "cross"
    order = Order.TERMS
    tokens: dict[str, Tensor] = field(default_factory=dict)  # branch -> [M, C]
    weights: tuple[tuple[Tensor, Tensor], ...] = ()  # of each site: C -> H*D, to k and to v
    weight: float = 1.0
    mask: Tensor | None = None

    def neutral(self) -> bool:
        return self.weight == 0

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        heads, width = plan.own.q.shape[1], plan.own.q.shape[-1]

        def keys() -> list[Tensor]:
            tokens = torch.stack([self.tokens[row.branch] for row in step.rows])
            return [(tokens @ w).unflatten(-1, (heads, width)).transpose(1, 2) for w in self.weights[site.index]]

        k, v = step.once((self.id, site.index, tuple(row.branch for row in step.rows)), keys)
        gate = self.weight if self.mask is None else self.weight * step.mask(self.mask, site, plan.own.q)
        added = Group(tuple(range(len(k))), (Term(plan.own.q, (Segment(self.id, k, v),), gate),))
        return plan.change(step.where(self), lambda mine: (*mine.terms, *added.pick(mine.rows, plan.index).terms))


@dataclass(frozen=True, eq=False, kw_only=True)
class RegionPrompts(AttentionEdit):
    """Attention couple: every region asks its own text; the prompt keeps what no region claims."""

    technique = "RegionPrompts"
    kind = "cross"
    order = Order.REGIONS
    owns = frozenset({"regions"})
    branches: frozenset[str] | None = POSITIVE
    texts: tuple[Tensor, ...] = ()  # [M, C] each
    masks: tuple[Tensor, ...] = ()  # [y, x] each

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        masks = [step.mask(mask, site, plan.own.q).expand(len(step.rows), -1, -1, -1) for mask in self.masks]
        claimed = sum(masks)
        texts = [step.once((self.id, site.index, i), lambda text=text: site.project(text[None])) for i, text in enumerate(self.texts)]

        def divide(mine: Group) -> tuple[Term, ...]:
            rows, base = list(mine.rows), mine.terms[0]
            every = lambda t: t.expand(len(rows), -1, -1, -1)
            regions = [base._replace(segments=(Segment(f"{self.id}/{i}", every(k), every(v)),), gate=(m / claimed.clamp(min=1))[rows])
                       for i, ((k, v), m) in enumerate(zip(texts, masks, strict=True))]
            return (*(t._replace(gate=t.gate * (1 - claimed).clamp(min=0)[rows]) for t in mine.terms), *regions)

        return plan.change(step.where(self), divide)


@dataclass(frozen=True, eq=False, kw_only=True)
class PaintWithWords(AttentionEdit):
    """eDiff-I (arXiv 2211.01324): scores + strength * map * log(1 + sigma) * the row's highest score."""

    technique = "PaintWithWords"
    kind = "cross"
    order = Order.SCORES
    branches: frozenset[str] | None = POSITIVE
    maps: Tensor | None = None  # [M, y, x]
    strength: float = 0.1

    def neutral(self) -> bool:
        return self.strength == 0

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        maps = step.once((self.id, site.grid), lambda: interpolate(self.maps[None], site.grid, mode="area").flatten(2).mT[:, None])

        def paint(t: Term, s: Segment) -> Segment:
            top = (t.q @ s.k.mT).amax((1, 2, 3), keepdim=True) / sqrt(s.k.shape[-1])
            bias = self.strength * log1p(step.sigma) * top * maps
            return s._replace(bias=bias if s.bias is None else s.bias + bias)

        return plan.change(step.where(self), lambda mine: tuple(t.on("own", lambda s, t=t: paint(t, s)) for t in mine.terms))
