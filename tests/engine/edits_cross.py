"""Test-only edits of cross-attention, for rows of the table that the project does not ship: who reads which words."""
from __future__ import annotations

from dataclasses import dataclass, field

import torch
from concord.processors.edit import AttentionEdit, Order
from concord.processors.program import Group, Plan, Segment, Term
from concord.processors.rows import Site
from concord.processors.run import Step
from torch import Tensor


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
