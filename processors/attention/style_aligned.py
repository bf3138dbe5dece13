"""StyleAligned: all images of a batch look at one of them, the reference, and so share its style.

Hertz et al., Style Aligned Image Generation via Shared Attention, arXiv 2312.02133, section 3.2.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..edit import AttentionEdit, Order
from ..errors import ConcordError
from ..program import Group, Plan, Segment
from ..rows import Lanes, Row, Site
from ..run import Step


@dataclass(frozen=True, eq=False, kw_only=True)
class Follows(AttentionEdit):
    """What both halves of the technique share: every image but the reference takes from the reference, in self-attention."""

    technique = "StyleAligned"
    kind = "self"
    giver = "reference"

    def takes(self, row: Row) -> bool:
        return row.lane != self.giver and super().takes(row)

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        takers = step.where(self)
        return plan.change(takers, self.follow, step.givers(self.giver, takers)) if takers else plan

    def follow(self, mine: Group, theirs: Group):
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class AlignStatistics(Follows):
    """The tensors named in `of` (q, k, v) get the reference's mean and deviation, per head and channel over the tokens."""

    order = Order.STATISTICS
    owns = frozenset({"statistics"})
    of: str = "qk"

    def neutral(self) -> bool:
        return not self.of

    def follow(self, mine: Group, theirs: Group):
        like, other = theirs.terms[0], theirs.own

        def align(s: Segment) -> Segment:
            return s._replace(k=adain(s.k, other.k) if "k" in self.of else s.k, v=adain(s.v, other.v) if "v" in self.of else s.v)

        return tuple((t._replace(q=adain(t.q, like.q)) if "q" in self.of else t).on("own", align) for t in mine.terms)


@dataclass(frozen=True, eq=False, kw_only=True)
class ShareKeys(Follows):
    """The reference's keys and values stand beside one's own in the same softmax; keys times `scale`, scores plus `shift` (0: both alike)."""

    order = Order.SEGMENTS
    scale: float = 1.0
    shift: float = 0.0

    def follow(self, mine: Group, theirs: Group):
        lent = theirs.own
        shared = Segment(self.id, lent.k if self.scale == 1 else lent.k * self.scale, lent.v, self.shift or None)
        return tuple(t._replace(segments=(*t.segments, shared)) for t in mine.terms)


def adain(x: Tensor, like: Tensor, eps: float = 1e-5) -> Tensor:
    """x [R, H, N, D] with the mean and deviation of `like` over its tokens; a single token takes the other's mean."""
    (m, s), (m1, s1) = statistics(x, eps), statistics(like, eps)
    return (x - m) / s * s1 + m1


def statistics(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    variance, mean = torch.var_mean(x, -2, correction=min(1, x.shape[-2] - 1), keepdim=True)  # one look at x
    return mean, (variance + eps).sqrt()


def style_aligned(share: bool = True, adain: str = "qk", scale: float = 1.0, shift: float = 0.0, window: tuple[float, float] = (0.0, 1.0),
                  layers: frozenset[int] | None = None) -> tuple[AttentionEdit, ...]:
    """StyleAligned as edits. adain: any of the letters q, k, v; scale: of the reference's keys, 1 as in the paper;
    shift: added to scores on the reference (ln 2 doubles their weight); nothing shared and no letters: neutral. Lanes: `reference_lane`."""
    if set(adain) - set("qkv"):
        raise ConcordError(f"adain is {adain!r}; it takes the letters q, k and v")
    where = {"window": window, "layers": layers}
    return (AlignStatistics(of="".join(sorted(set(adain))), **where), *([ShareKeys(scale=scale, shift=shift, **where)] if share else []))


def reference_lane(sample: int = 0) -> Lanes:
    """Image `sample` of the batch gives, all others take."""
    return Lanes(((sample, "reference", 0),))
