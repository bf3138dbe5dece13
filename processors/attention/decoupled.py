"""Decoupled cross-attention: a picture's tokens get a softmax of their own beside the text's, asked with the same queries.

Ye et al., IP-Adapter: Text Compatible Image Prompt Adapter for Text-to-Image Diffusion Models, arXiv 2308.06721, section 3.2.2.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import torch
from torch import Tensor

from ..edit import AttentionEdit, Order
from ..errors import ConcordError
from ..program import Plan, Segment, Term
from ..rows import Row, Site
from ..run import Step
from ..schedule import Curve
from .layers import published_number
from .token_keys import VALUE_SCALINGS, Projections, heads, scaled, take


@dataclass(frozen=True, eq=False, kw_only=True)
class DecoupledTokens(AttentionEdit):
    """A further term on every row: weight * layer weight * curve * mask times attention to image tokens, asked with the model's own q.

    A row of sample s reads tokens s % B of its branch: `negative` on rows of negatives (None: these get no term), else `tokens`.
    """

    technique = "DecoupledCrossAttn"
    kind = "cross"
    order = Order.TERMS

    tokens: Tensor  # [1|B, T, C]
    negative: Tensor | None = None  # [1|B, T', C]
    projections: Projections | None = None  # None: the model's own, for tokens like those of its text
    weight: float = 1.0  # any number; 0 is off, below 0 pushes away
    layer_weights: tuple[float, ...] = ()  # one a site, in execution order; (): all 1
    curve: Curve | None = None  # a factor over progress; None: always 1
    mask: Tensor | None = None  # [1|B, y, x] on the canvas, 0..1; several: one per sample
    value_scaling: str = "V only"  # what the weight scales; one of VALUE_SCALINGS

    def __post_init__(self) -> None:
        if self.value_scaling not in VALUE_SCALINGS:
            raise ConcordError(f"the weight cannot scale {self.value_scaling!r}; it scales one of: {', '.join(VALUE_SCALINGS)}")
        check("tokens", self.tokens, "[images, tokens, channels]")
        check("negative tokens", self.negative, f"[images, tokens, {self.tokens.shape[-1]} channels]", self.tokens.shape[-1])
        check("mask", self.mask, "[masks, height, width]")
        if not isfinite(self.weight):
            raise ConcordError(f"the weight is {self.weight}; a number fits")

    @property
    def placed(self) -> bool:  # type: ignore[override]
        return self.mask is not None

    def neutral(self) -> bool:
        return self.weight == 0 or (self.layer_weights != () and not any(self.layer_weights)) or (self.curve is not None and self.curve.zero)

    def active(self, step: Step) -> bool:
        return super().active(step) and (self.curve is None or self.curve.at(step.progress) != 0)

    def covers(self, site: Site) -> bool:
        return super().covers(site) and (not self.layer_weights or self.layer_weights[site.index] != 0)

    def takes(self, row: Row) -> bool:
        return super().takes(row) and not (self.negative is None and is_negative(row))

    @cached_property
    def banks(self) -> tuple[Tensor, ...]:
        """Tokens and negative: as one where the negative fits into the tokens' place a whole number of times, so that all rows ask in one kernel call.
        Keys that all come again equally often change no softmax."""
        if self.negative is None:
            return (self.tokens,)
        times, left = divmod(self.tokens.shape[1], self.negative.shape[1])
        if left:
            return self.tokens, self.negative
        return (torch.cat([self.negative.repeat(1, times, 1).to(self.tokens), self.tokens]),)  # as hosts stack rows: taken for one picture without a copy

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        changed = plan
        strength = self.weight * (self.layer_weights[site.index] if self.layer_weights else 1.0) * (self.curve.at(step.progress) if self.curve else 1.0)
        for bank, asked in step.resolve((self.id, "asked"), lambda: self.asked(step)):
            more = lambda mine, bank=bank, asked=asked: (*mine.terms, self.term(mine.rows, bank, asked, plan, site, step, strength))
            changed = changed.change(tuple(asked), more)
        return changed

    def asked(self, step: Step) -> tuple[tuple[int, Mapping[int, int]], ...]:
        """For each bank the rows that ask it, and which picture in it each asks."""
        found: dict[int, dict[int, int]] = {}
        before = len(self.negative) if self.negative is not None and len(self.banks) == 1 else 0
        for i in step.where(self):
            row = step.rows[i]
            if self.negative is None or not is_negative(row):
                bank, place = 0, before + row.sample % len(self.tokens)
            else:
                bank, place = len(self.banks) - 1, row.sample % len(self.negative)
            found.setdefault(bank, {})[i] = place
        return tuple(found.items())

    def term(self, rows: tuple[int, ...], bank: int, asked: Mapping[int, int], plan: Plan, site: Site, step: Step, strength: float) -> Term:
        q = plan.own.q
        if len(rows) < len(q):
            q = q[plan.index[rows, q.device]]
        k, v = self.keys(bank, tuple(asked[i] for i in rows), q, site, step)
        gate = strength
        if self.value_scaling != VALUE_SCALINGS[0]:
            k, v = scaled(k, v, strength, self.value_scaling)
            gate = 1.0
        return Term(q, (Segment(self.id, k, v),), gate if self.mask is None else self.masked(rows, q, site, step, gate))

    def keys(self, bank: int, places: tuple[int, ...], q: Tensor, site: Site, step: Step) -> tuple[Tensor, Tensor]:
        """k, v [R, H, T, D] of the pictures at `places` of a bank; projected once a run."""

        def project() -> tuple[Tensor, Tensor]:
            tokens = self.banks[bank].to(q)
            if self.projections is None:
                return site.project(tokens)  # type: ignore[misc]  # every cross-attention has one
            k, v = self.projections.project(published_number(site.index, self.projections.count), tokens)
            return heads(k, q.shape[1]), heads(v, q.shape[1])

        def pick() -> tuple[Tensor, Tensor]:
            k, v = keep(key, project)
            return take(k, places, step.run.index), take(v, places, step.run.index)

        keep = step.projected if self.projections is None else step.once
        key = (self.id, site.index, bank, q.dtype, q.device)
        return keep((*key, places), pick)

    def masked(self, rows: tuple[int, ...], q: Tensor, site: Site, step: Step, strength: float) -> Tensor:
        """[1|R, 1, N, 1]: the mask of each row's sample, as that row sees it, times `strength`."""
        masks = step.once((self.id, "masks"), self.mask.unbind)  # one object each: the step knows a mask by it
        seen = tuple((step.rows[i].sample % len(masks), step.rows[i].view) for i in rows)
        seen = seen[:1] if len(set(seen)) == 1 else seen
        keep = step.once if self.curve is None else step.resolve  # what changes with each step is not kept for the run
        key = (self.id, site.grid, seen, strength, q.dtype, q.device)
        return keep(key, lambda: (torch.cat([step.seen(masks[i], site.grid, view, q) for i, view in seen]) * strength,))[0]


def is_negative(row: Row) -> bool:
    """Guiders may have several negatives: perpendicular guidance calls its second one "empty_negative_prompt"."""
    return "negative" in row.branch


def check(name: str, t: Tensor | None, fits: str, last: int | None = None) -> None:
    if t is None:
        return
    if t.ndim != 3 or 0 in t.shape or last not in (None, t.shape[-1]):
        raise ConcordError(f"the {name} have the shape {list(t.shape)}; {fits} fits")
    if not t.isfinite().all():
        raise ConcordError(f"the {name} {'holds' if name == 'mask' else 'hold'} numbers that are not finite (NaN or infinity); look at what made them")
