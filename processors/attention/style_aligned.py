"""StyleAligned: all images of a batch look at one of them, the reference, and so share its style.

Hertz et al., Style Aligned Image Generation via Shared Attention, arXiv 2312.02133, section 3.2; group norms, shared layers and full sharing are the
authors' code.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..edit import AttentionEdit, Edit, Order
from ..errors import ConcordError
from ..features.group_norm import ShareGroupNorm
from ..program import Group, Plan, Segment, Term
from ..rows import Lanes, Row, Site
from ..run import Step
from ..statistics import EPS, TOKENS, aligned, moments
from .layers import published_number

NAMES = {"q": "queries", "k": "keys", "v": "values"}


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
    of: str = "qk"

    @property
    def owns(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset(f"statistics of {NAMES[letter]}" for letter in self.of)

    def neutral(self) -> bool:
        return not self.of

    def follow(self, mine: Group, theirs: Group):
        return with_statistics(mine, theirs, self.of, adain)


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


@dataclass(frozen=True, eq=False, kw_only=True)
class ShareAll(AttentionEdit):
    """Every image looks at all images of its group, the reference too: one sequence of all their tokens, and nothing is aligned.

    Images of other groups that the same reference serves belong to it.
    """

    technique = "StyleAligned"
    kind = "self"
    giver = "reference"
    order = Order.SEGMENTS

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        for turn, (rows, others) in enumerate(step.resolve((self.id, "turns"), lambda: self.turns(step))):
            share = lambda mine, theirs, name=f"{self.id}/{turn}": tuple(
                t._replace(segments=(*t.segments, Segment(name, theirs.own.k, theirs.own.v))) for t in mine.terms)
            plan = plan.change(rows, share, others)
        return plan

    def turns(self, step: Step) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """(rows, for each of them another one of its family), until every row has met all others."""
        families: dict[tuple, list[int]] = {}
        for i in step.where(self):
            row = step.rows[i]
            families.setdefault((*row.place, step.giving_group(self.giver, row.group)), []).append(i)
        turns = []
        for turn in range(1, max(map(len, families.values()), default=0)):
            meets = {i: family[(at + turn) % len(family)] for family in families.values() if turn < len(family) for at, i in enumerate(family)}
            turns.append((tuple(sorted(meets)), tuple(meets[i] for i in sorted(meets))))
        return tuple(turns)


def with_statistics(mine: Group, theirs: Group, of: str, align: Callable[[Tensor, Tensor], Tensor]) -> tuple[Term, ...]:
    """The terms of `mine`, in which align(own tensor, the giver's) stands for each tensor named in `of` (q, k, v)."""
    like, other = theirs.terms[0], theirs.own
    segment = lambda s: s._replace(k=align(s.k, other.k) if "k" in of else s.k, v=align(s.v, other.v) if "v" in of else s.v)
    return tuple((t._replace(q=align(t.q, like.q)) if "q" in of else t).on("own", segment) for t in mine.terms)


def adain(x: Tensor, like: Tensor, eps: float = EPS) -> Tensor:
    """x [R, H, N, D] with the mean and deviation of `like` over its tokens; a single token takes the other's mean."""
    return aligned(x, moments(x, TOKENS, eps=eps), moments(like, TOKENS, eps=eps))


def shared_layers(count: int, only_self: float) -> frozenset[int] | None:
    """The self-attentions that share, as site indices; None: all of `count` (16 or 70). only_self: the part that does not, spread evenly over the
    layers in the order in which published files number them, with the authors' rounding."""
    skipped = int(min(only_self, 1 - only_self) * count)
    few = frozenset(range(0, count, count // skipped)) if skipped else frozenset()
    few = frozenset(index for index in range(count) if published_number(index, count) in few) if few else few
    every = frozenset(range(count))
    shared = few if only_self > 0.5 else every - few
    return None if shared == every else shared


def style_aligned(share: bool = True, adain: str = "qk", scale: float = 1.0, shift: float = 0.0, window: tuple[float, float] = (0.0, 1.0),
                  layers: frozenset[int] | None = None, group_norm: bool = False, full: bool = False) -> tuple[Edit, ...]:
    """StyleAligned as edits. adain: any of the letters q, k, v; scale: of the reference's keys, 1 as in the paper; shift: added to scores on the
    reference (ln 2 doubles their weight); group_norm: the group norms of the whole network see the reference, too; full: everyone looks at everyone,
    in place of share, adain, scale and shift. Nothing shared and no letters: neutral. Lanes: `reference_lane`."""
    if set(adain) - set("qkv"):
        raise ConcordError(f"adain is {adain!r}; it takes the letters q, k and v")
    where = {"window": window, "layers": layers}
    norms = (ShareGroupNorm(window=window),) if group_norm else ()
    if layers == frozenset():
        return norms
    if full:
        return ShareAll(**where), *norms
    return (AlignStatistics(of="".join(sorted(set(adain))), **where), *([ShareKeys(scale=scale, shift=shift, **where)] if share else []), *norms)


def reference_lane(sample: int = 0) -> Lanes:
    """Image `sample` of the batch gives, all others take."""
    return Lanes(((sample, "reference", 0),))
