"""Region prompts: parts of the picture read a prompt of their own ("attention couple", "regional prompter").

    out = gate_0 A(q, K, V) + sum over regions n:  gate_n A(q, K_n, V_n)        A: softmax attention; the gates of a place add up to 1

No paper: the division of cross-attention by masks is hako-mikan's and furusu's; a part for the main prompt inside the regions is the former's "base ratio".
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..edit import AttentionEdit, Order
from ..errors import ConcordError
from ..program import Group, Plan, Segment, Term
from ..region_places import Views, covers, views_of
from ..regions import Region
from ..rows import Row, Site
from ..run import Step
from .decoupled import is_negative
from .token_keys import take

TECHNIQUE = "Region prompts"


@dataclass(frozen=True, eq=False, kw_only=True)
class RegionPrompts(AttentionEdit):
    """Inside a region its own prompt is read, with `base_ratio` of the main one; outside of all the main one alone. Regions that overlap share a place
    by their strengths. The pooled text of SDXL stays the main prompt's."""

    technique = TECHNIQUE
    kind = "cross"
    order = Order.REGIONS
    owns = frozenset({"prompts of the regions"})
    placed = True

    regions: tuple[Region, ...]
    tokens: tuple[Tensor, ...]  # of each region's prompt, [1|B, T, C]; one for all pictures, or one for each
    negative: bool = False  # whether these are negative prompts
    base_ratio: float = 0.2
    strength: float = 1.0  # 0: off; below 1 the main prompt keeps more

    def neutral(self) -> bool:
        return self.strength == 0 or self.base_ratio == 1 or not self.regions

    def active(self, step: Step) -> bool:
        return super().active(step) and any(self.amounts(step))

    def takes(self, row: Row) -> bool:
        return super().takes(row) and is_negative(row) == self.negative

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        rows = step.where(self)
        return plan.change(rows, lambda mine: self.divide(mine, site, step)) if rows else plan

    def divide(self, mine: Group, site: Site, step: Step) -> tuple[Term, ...]:
        q = mine.terms[0].q
        base, *shares = self.gates(views_of(mine.rows, step), site, step, q)
        terms = [term._replace(gate=term.gate * base) for term in mine.terms]
        for number, share in enumerate(shares):
            if share is not None:
                told = Segment(f"{self.id}/{number}", *self.keys(number, mine.rows, site, step, q))
                terms += [term.on("own", lambda _, told=told: told)._replace(gate=term.gate * share) for term in mine.terms]
        return tuple(terms)

    def amounts(self, step: Step) -> tuple[float, ...]:
        """How much each region counts in this step."""
        return tuple(max(0.0, self.strength * region.at(step.progress)) for region in self.regions)

    def gates(self, views: Views, site: Site, step: Step, like: Tensor) -> tuple[Tensor | None, ...]:
        """[1|R, 1, N, 1] of the main prompt, then of each region; None: none of these rows sees it."""
        amounts = self.amounts(step)
        keep = step.resolve if any(region.curve for region in self.regions) else step.once  # what changes with each step is not kept for the run
        key = (self.id, site.grid, views, amounts, like.dtype, like.device)
        return keep(key, lambda: shares(self.regions, amounts, self.base_ratio, site.grid, views, like))

    def keys(self, number: int, rows: tuple[int, ...], site: Site, step: Step, like: Tensor) -> tuple[Tensor, Tensor]:
        """k, v [R, H, T, D] of one region's prompt; projected once a run."""
        tokens = self.tokens[number]
        places = tuple(step.rows[row].sample % len(tokens) for row in rows)
        key = (self.id, number, site.index, like.dtype, like.device)

        def pick() -> tuple[Tensor, Tensor]:
            k, v = step.projected(key, lambda: site.project(tokens.to(like)))  # type: ignore[misc]  # every cross-attention has one
            return take(k, places, step.run.index), take(v, places, step.run.index)

        return step.projected((*key, places), pick)


def shares(regions: Sequence[Region], amounts: Sequence[float], base_ratio: float, grid: tuple[int, int], views: Views,
           like: Tensor) -> tuple[Tensor | None, ...]:
    """How a place is divided: [V, 1, N, 1] of the main prompt, then of each region; together 1. None: a region that is nowhere."""
    weighed = covers(regions, grid, views) * torch.tensor(amounts, dtype=torch.float64)[:, None]
    total = weighed.sum(1, keepdim=True)
    divided = (1 - base_ratio) * total.clamp(max=1) * weighed / torch.where(total > 0, total, 1)
    onto = lambda gate: gate[:, None, :, None].to(like)
    return onto(1 - divided.sum(1)), *(onto(gate) if bool(gate.any()) else None for gate in divided.unbind(1))


def region_prompts(regions: Sequence[Region], prompts: Sequence[Tensor | None], negatives: Sequence[Tensor | None] = (), strength: float = 1.0,
                   base_ratio: float = 0.2, window: tuple[float, float] = (0.0, 1.0), layers: frozenset[int] | None = None) -> tuple[RegionPrompts, ...]:
    """Region prompts as edits. prompts, negatives: the encoded ones of each region [1|B, T, C]; None: the main one stays there.

    strength 0..1: 0 is off; base_ratio 0..1: what the main prompt keeps inside; window: progress; layers: cross-attentions, None: all.
    """
    if wrong := next((region for region in regions if region.strength < 0), None):
        raise ConcordError(f"the region {wrong.name} has the strength {wrong.strength:g}; region prompts take 0 and more: "
                           "write what you do not want into its negative")
    where = {"strength": strength, "base_ratio": base_ratio, "window": window, "layers": layers}
    sides = (prompts, negatives or [None] * len(regions))
    told = [[(region, tokens) for region, tokens in zip(regions, side, strict=True) if tokens is not None] for side in sides]
    return tuple(RegionPrompts(regions=tuple(region for region, _ in pairs), tokens=tuple(tokens for _, tokens in pairs), negative=bool(number), **where)
                 for number, pairs in enumerate(told) if pairs)
