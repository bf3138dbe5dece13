"""Looks: the positive branch asked between two steps of a sampler, with gradients, about what its attention sees on the canvas.

A look is an evaluation of its own: all edits act in it as in the step that it comes before. It reads columns of the attention, needs no prediction, and
stops in the network behind the last layer that is read.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from .errors import ConcordError
from .probe import Probe, on_canvas
from .program import Group, Plan, columns
from .rows import Row, Site, View
from .run import Run, Step
from .words import check_length


class Enough(Exception):
    """All that a look reads has been read. The host that called the network catches it; the prediction is nobody's."""


class Asker(Protocol):
    """Who wants to know something, see `latents.gradient.GradientEdit`."""

    @property
    def id(self) -> str: ...

    @property
    def technique(self) -> str: ...

    @property
    def per_head(self) -> bool: ...

    def reads(self, row: Row) -> bool: ...

    def places(self, sites: Sequence[Site]) -> frozenset[int]: ...

    def tokens(self, count: int) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Seen:
    """What an asker is told, differentiable: of each site that it reads [S, H | 1, T, h, w], the share of its attention that every place of the canvas
    gives to T tokens, in float32 at least. S: the samples that were read, in order; H: one map for each head, or their mean."""

    maps: dict[int, Tensor]
    tokens: tuple[int, ...]

    def of(self, tokens: Sequence[int], maps: Tensor) -> Tensor:
        """[S, H | 1, T, h, w] -> of these tokens alone."""
        return maps[:, :, [self.tokens.index(token) for token in tokens]]


@dataclass(eq=False)
class Looking:
    """One look: who asks, and what was found."""

    askers: Sequence[Asker]
    places: dict[str, frozenset[int]]  # the sites that each of them reads
    sums: dict[tuple[str, int], Tensor] = field(default_factory=dict)  # (asker, site) -> [B, H | 1, T + 1, h, w]; the last map counts the readings
    tokens: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, askers: Sequence[Asker], run: Run) -> Looking:
        places = {asker.id: run.once((asker.id, "sites"), lambda asker=asker: asker.places(run.sites)) for asker in askers}
        if blind := next((asker for asker in askers if not places[asker.id]), None):
            raise ConcordError(f"{blind.technique} finds none of the layers that it reads in this model, which has {count_of(run.sites)} cross-attentions; "
                               "leave the layers empty, or name some of these")
        return cls(askers, places)

    @property
    def last(self) -> int:
        return max(max(places) for places in self.places.values())

    def blind(self, asker: Asker) -> bool:
        """Whether no prompt with its words was read."""
        return not any((asker.id, place) in self.sums for place in self.places[asker.id])

    def seen(self, asker: Asker, samples: Sequence[int]) -> Seen:
        if missing := [place for place in self.places[asker.id] if (asker.id, place) not in self.sums]:
            raise ConcordError(f"{asker.technique} has seen nothing of its words at cross-attention {missing[0]}: no prompt that has them was read; "
                               "connect the prompt with these words to the sampler's positive")
        totals = {place: self.sums[asker.id, place][list(samples)] for place in sorted(self.places[asker.id])}
        count = {place: total[:, :, -1:] for place, total in totals.items()}
        maps = {place: total[:, :, :-1] / torch.where(count[place] > 0, count[place], 1) for place, total in totals.items()}
        return Seen(maps, self.tokens[asker.id])

    def read(self, asker: Asker, plan: Plan, site: Site, step: Step) -> None:
        for (_, view), rows in step.resolve((asker.id, "looked at"), lambda: asked(asker, step)):
            for group in plan.groups:
                inside = tuple(row for row in group.rows if row in rows)
                if inside:
                    maps = self.columns(asker, group.pick(inside, plan.index), site, step)
                    maps = on_canvas(maps, view, site, step)
                    place = asker.id, site.index
                    if place not in self.sums:
                        self.sums[place] = maps.new_zeros(step.run.samples, *maps.shape[1:])
                    self.sums[place][step.run.index[tuple(step.rows[row].sample for row in inside), maps.device]] += maps

    def columns(self, asker: Asker, group: Group, site: Site, step: Step) -> Tensor:
        """[R, H | 1, T + 1, h, w], the last map ones."""
        count = group.own.v.shape[-2]
        tokens = self.tokens.setdefault(asker.id, asker.tokens(count))
        check_length(tokens, count, site, asker.technique)
        read = columns(group, tokens, once=step.once)
        maps = read.to(torch.promote_types(read.dtype, torch.float32))
        maps = (maps if asker.per_head else maps.mean(1, keepdim=True)).mT.unflatten(-1, site.grid)
        return pad(maps, (0, 0, 0, 0, 0, 1), value=1.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class LookProbe(Probe):
    """Reads for all askers of a look; outside of one it does not act. One on a model serves everyone."""

    technique = "RegionGuidance"
    kind = "cross"

    def active(self, step: Step) -> bool:
        return step.run.looking is not None

    def read(self, plan: Plan, site: Site, step: Step) -> None:
        looking: Looking = step.run.looking
        for asker in looking.askers:
            if site.index in looking.places[asker.id]:
                looking.read(asker, plan, site, step)
        if site.index == looking.last:
            raise Enough


def asked(asker: Asker, step: Step) -> tuple[tuple[tuple[int, View | None], frozenset[int]], ...]:
    """The rows of a call that are read together: those of one entry that see the same."""
    found: dict[tuple[int, View | None], set[int]] = {}
    for i, row in enumerate(step.rows):
        if asker.reads(row):
            found.setdefault((row.entry, row.view), set()).add(i)
    return tuple((place, frozenset(rows)) for place, rows in found.items())


def count_of(sites: Sequence[Site]) -> int:
    return sum(site.kind == "cross" for site in sites)
