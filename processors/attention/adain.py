"""AdaIN inside the attention: queries, keys, values or what comes out get the statistics that the reference has there.

Huang and Belongie, arXiv 1703.06868; per head and channel over the tokens, as StyleAligned does with queries and keys (arXiv 2312.02133, section 3.2);
the mean alone is Infinite-ID's (arXiv 2403.11781, section 3.3).
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..edit import Edit, Order
from ..errors import ConcordError
from ..lending import lent, record, sample_of
from ..program import Attend, Group, Plan
from ..rows import Site, View
from ..run import Step
from ..statistics import MODES, TOKENS, Moments, aligned, moments
from .style_aligned import NAMES, Follows, with_statistics

Seers = tuple[tuple[int, View | None], ...]  # images of the batch, and the windows that they are seen through


@dataclass(frozen=True, eq=False, kw_only=True)
class Aligns(Follows):
    """Every image but the reference. Masks [1|B, y, x] 0..1 on the canvas, one for all images or one for each: where an image is changed and whose
    statistics are taken for it, and what of the reference counts. Where one is empty nothing happens."""

    technique = "FeatureAdaIN"
    mode: str = MODES[0]
    strength: float = 1.0
    mask: Tensor | None = None
    reference_mask: Tensor | None = None

    def neutral(self) -> bool:
        return self.strength == 0

    @property
    def placed(self) -> bool:  # type: ignore[override]
        return self.mask is not None or self.reference_mask is not None

    def seen(self, mask: Tensor | None, who: Seers, site: Site, step: Step, like: Tensor) -> Tensor | None:
        """[1|R, 1, N, 1]: the mask of each one's image in its window."""
        if mask is None:
            return None
        masks = step.once((self.id, "masks", mask is self.mask), mask.unbind)  # one object each: the step knows a mask by it
        who = tuple((sample % len(masks), view) for sample, view in who)
        who = who[:1] if len(set(who)) == 1 else who
        return step.once((self.id, mask is self.mask, site.grid, who, like.dtype, like.device),
                         lambda: torch.cat([step.seen(masks[i], site.grid, view, like) for i, view in who]))

    def align(self, x: Tensor, like: Moments, mask: Tensor | None) -> Tensor:
        return aligned(x, moments(x, TOKENS, mask), like, self.mode, self.strength, mask)


@dataclass(frozen=True, eq=False, kw_only=True)
class AlignFeatures(Aligns):
    """The tensors named in `of` (q, k, v) of self-attention."""

    order = Order.STATISTICS
    of: str = "qk"

    @property
    def owns(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset(f"statistics of {NAMES[letter]}" for letter in self.of)

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        takers = step.where(self)
        giver = dict(zip(takers, step.givers(self.giver, takers), strict=True))

        def follow(mine: Group, theirs: Group):
            mask = self.seen(self.mask, seers(mine.rows, step), site, step, plan.own.q)
            shown = self.seen(self.reference_mask, seers([giver[i] for i in mine.rows], step), site, step, plan.own.q)
            return with_statistics(mine, theirs, self.of, lambda x, like: self.align(x, moments(like, TOKENS, shown), mask))

        return plan.change(takers, follow, tuple(giver.values())) if takers else plan


@dataclass(frozen=True, eq=False, kw_only=True)
class AlignOutput(Aligns):
    """What the attention gives, all that other edits add to it included."""

    order = Order.OUTPUT
    on: str = "self"  # self, cross

    @property
    def owns(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({f"statistics of what {self.on}-attention gives"})

    def covers(self, site: Site) -> bool:
        return site.kind == self.on and (self.layers is None or site.index in self.layers)

    def finish(self, out: Tensor, plan: Plan, site: Site, step: Step, attend: Attend) -> Tensor:
        takers, key = step.where(self), ("output", self.id, site.kind, site.index)
        given = moments(out, TOKENS, self.seen(self.reference_mask, seers(range(len(out)), step), site, step, out))
        parts = tuple(part.expand(len(out), *part.shape[1:]) for part in given if part is not None)
        if not takers:
            record(parts, step, key)
            return out
        at = plan.index[takers, out.device]
        like = Moments(*lent(parts, step.givers(self.giver, takers), step, key))
        changed = out.clone()
        changed[at] = self.align(out[at], like, self.seen(self.mask, seers(takers, step), site, step, out))
        return changed


def seers(rows: Iterable[int | tuple], step: Step) -> Seers:
    """The image and the window of rows of this call, or of givers that an earlier one recorded."""
    return tuple((step.rows[row].sample, step.rows[row].view) if isinstance(row, int) else (sample_of(row, step), row[-1]) for row in rows)


FEATURES = {"queries and keys": "qk", "queries, keys and values": "qkv", "keys and values": "kv", "values": "v", "output of self-attention": "s",
            "output of both attentions": "sc"}


def feature_adain(features: str = "values", mode: str = MODES[0], strength: float = 1.0, window: tuple[float, float] = (0.0, 1.0),
                  layers: frozenset[int] | None = None, mask: Tensor | None = None, reference_mask: Tensor | None = None) -> tuple[Edit, ...]:
    """AdaIN to the reference as edits. features: one of FEATURES; mode: one of MODES; strength: 0 is neutral, 1 all. Lanes: `reference_lane`."""
    if features not in FEATURES or mode not in MODES:
        raise ConcordError(f"AdaIN of {features!r} by {mode!r} is not known; there are {', '.join(FEATURES)}, by {', '.join(MODES)}")
    masks = [m if m is None or m.ndim == 3 else m[None] for m in (mask, reference_mask)]
    how = {"mode": mode, "strength": strength, "mask": masks[0], "reference_mask": masks[1], "window": window, "layers": layers}
    letters = FEATURES[features]
    if set(letters) <= set(NAMES):
        return (AlignFeatures(of=letters, **how),)
    return tuple(AlignOutput(on={"s": "self", "c": "cross"}[letter], **how) for letter in letters)
