"""MasaCtrl: the target looks at the source's keys and values, so that it keeps the source's things and looks in another layout.

Cao et al., MasaCtrl: Tuning-Free Mutual Self-Attention Control for Consistent Image Synthesis and Editing, arXiv 2304.08465, sections 4.1 and 4.2.
Layers, steps and the union of both are those of the authors' code.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..edit import AttentionEdit, Edit, Order
from ..errors import ConcordError
from ..lending import sample_of
from ..probe import WordMaps
from ..program import Group, Plan, Segment, Term
from ..rows import Site, View
from ..run import Step
from .divided import Part, divided, nearest, parts
from .word_foreground import foreground

DECODER = {16: frozenset(range(10, 16)), 70: frozenset(range(64, 70))}  # self-attentions from half of the latent's size on; XL's authors also try 44 and 54
VARIANTS = ("plain", "union", "masks", "words")


@dataclass(frozen=True, eq=False, kw_only=True)
class MutualAttention(AttentionEdit):
    """Targets ask the source of their group, in the place of themselves."""

    technique = "MasaCtrl"
    kind = "self"
    order = Order.SOURCE
    owns = frozenset({"keys", "values"})
    taker = "target"
    giver = "source"

    def neutral(self) -> bool:
        return self.window[0] >= self.window[1]

    def rewrite(self, plan: Plan, site: Site, step: Step) -> Plan:
        takers = step.where(self)
        ask = lambda mine, theirs: self.ask(mine, theirs.own, site, step)
        return plan.change(takers, ask, step.givers(self.giver, takers)) if takers else plan

    def ask(self, mine: Group, source: Segment, site: Site, step: Step) -> tuple[Term, ...]:
        return tuple(t.on("own", lambda s: s._replace(k=source.k, v=source.v)) for t in mine.terms)


@dataclass(frozen=True, eq=False, kw_only=True)
class UnionAttention(MutualAttention):
    """Targets ask the source beside themselves, in one softmax."""

    order = Order.SEGMENTS
    owns = frozenset()

    def ask(self, mine: Group, source: Segment, site: Site, step: Step) -> tuple[Term, ...]:
        return tuple(t._replace(segments=(*t.segments, Segment(self.id, source.k, source.v))) for t in mine.terms)


@dataclass(frozen=True, eq=False, kw_only=True)
class MaskedAttention(MutualAttention):
    """The target's foreground asks the source's foreground, its background the background: two softmaxes, each where the target's mask says.

    Masks [1|n, y, x] 0..1 on the canvas, one for each group; nearest places, as the authors take them. The source's counts from one half on.
    """

    placed = True
    source_mask: Tensor
    target_mask: Tensor

    def ask(self, mine: Group, source: Segment, site: Site, step: Step) -> tuple[Term, ...]:
        q = mine.terms[0].q
        who = tuple((step.rows[i].group, step.rows[i].view) for i in mine.rows)
        who = who[:1] if len(set(who)) == 1 else who
        return divided(super().ask(mine, source, site, step), step.once((self.id, site.grid, who, q.dtype, q.device), lambda: self.parts(who, site, q)))

    def parts(self, who: tuple[tuple[int, View | None], ...], site: Site, like: Tensor) -> tuple[Part, Part]:
        seen = lambda masks: torch.cat([nearest(masks[group % len(masks)], site.grid, view, like) for group, view in who])
        return parts(seen(self.source_mask), seen(self.target_mask))


@dataclass(frozen=True, eq=False, kw_only=True)
class WordMaskedAttention(MutualAttention):
    """The same with masks that the model finds while it draws: where words are looked at in this very step, at the layers before.

    `maps`, which has to be in the program too, reads the words of source and target; what a place gives to them, scaled to 0..1 over the picture, is
    foreground from `threshold` on. All branches take the positive prompt's. Layers before the first map do without masks.
    """

    placed = True
    maps: WordMaps
    threshold: float = 0.1

    @property
    def leads(self) -> str:  # type: ignore[override]
        return "" if self.branches == frozenset({"positive"}) else "positive"

    def ask(self, mine: Group, source: Segment, site: Site, step: Step) -> tuple[Term, ...]:
        terms = super().ask(mine, source, site, step)
        views = tuple(step.rows[i].view for i in mine.rows)
        looked = {view: foreground(self.maps, self.threshold, view, site, step, mine.terms[0].q) for view in set(views)}
        found = {view: fronts for view, fronts in looked.items() if fronts is not None}
        if len(found) < len(looked):
            return terms
        givers = step.givers(self.giver, mine.rows)
        pick = lambda samples: torch.stack([found[view][sample] for view, sample in zip(views, samples, strict=True)])
        own = [step.rows[i].sample for i in mine.rows]
        return divided(terms, parts(pick([sample_of(giver, step) for giver in givers]), pick(own)))


def masactrl(variant: str = "plain", window: tuple[float, float] = (0.08, 1.0), layers: frozenset[int] | None = DECODER[16], *,
             branches: frozenset[str] | None = None, masks: tuple[Tensor, Tensor] | None = None, maps: WordMaps | None = None,
             threshold: float = 0.1) -> tuple[Edit, ...]:
    """MasaCtrl as edits. window: progress; the authors begin with step 4 of 50. layers: self-attentions; None: all. branches: None: all, as theirs.

    masks: of source and target, [y, x] or [1|n, y, x], for "masks"; maps: a live reading of the words of source and target, for "words".
    Lanes: `conditions.lanes.roles`.
    """
    where = {"window": window, "layers": layers, "branches": branches}
    if variant == "plain":
        return (MutualAttention(**where),)
    if variant == "union":
        return (UnionAttention(**where),)
    if variant == "masks" and masks is not None:
        source, target = (mask if mask.ndim == 3 else mask[None] for mask in masks)
        return (MaskedAttention(source_mask=source, target_mask=target, **where),)
    if variant == "words" and maps is not None:
        edit = WordMaskedAttention(maps=maps, threshold=threshold, **where)
        return () if edit.neutral() else (maps, edit)
    raise ConcordError(f"MasaCtrl {variant!r} needs {'masks of source and target' if variant == 'masks' else 'the words of source and target'}"
                       if variant in VARIANTS else f"MasaCtrl knows no {variant!r}; there are {', '.join(VARIANTS)}")
