"""The naive truth: each row's probability matrices written out, one technique after the other in the canonical order."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import NamedTuple

import torch
from concord.processors.edit import Order
from concord.processors.rows import Site
from concord.processors.run import Step
from concord.tests.engine.toy import At
from torch import Tensor
from torch.nn.functional import interpolate


class Part(NamedTuple):
    """Some keys of one row: k [H, M, D], v [H, M, D], and what is added to their scores."""

    k: Tensor
    v: Tensor
    bias: Tensor | float = 0.0


class Asked(NamedTuple):
    """A softmax of one row, not yet taken: q [H, N, D]."""

    q: Tensor
    parts: dict[str, Part]
    gate: Tensor | float = 1.0  # [N, 1]
    heat: float = 1.0

    def with_own(self, **changes) -> Asked:
        return self._replace(parts={name: part._replace(**changes) if name == "own" else part for name, part in self.parts.items()})

    def taken(self) -> Taken:
        scores = [self.heat * self.q @ p.k.mT / sqrt(self.q.shape[-1]) + p.bias for p in self.parts.values()]
        columns = torch.cat(scores, -1).softmax(-1).split([s.shape[-1] for s in scores], -1)
        return Taken(dict(zip(self.parts, columns, strict=True)), {name: p.v for name, p in self.parts.items()}, self.gate)


class Taken(NamedTuple):
    """The same, taken: columns [H, N, M] of the probabilities and the values they weigh, by name."""

    columns: dict[str, Tensor]
    values: dict[str, Tensor]
    gate: Tensor | float = 1.0

    def out(self) -> Tensor:
        return self.gate * sum(self.columns[name] @ self.values[name] for name in self.columns)


class Scene(NamedTuple):
    """Where a technique acts: one site in one model call, with the model's own q."""

    step: Step
    site: Site
    q: Tensor

    def takers(self, lane: str | None = None, branch: str | None = None, but: str | None = None) -> list[int]:
        return [i for i, r in enumerate(self.step.rows) if lane in (None, r.lane) and branch in (None, r.branch) and r.lane != but]

    def giver(self, taker: int, lane: str) -> int:
        with_it = lambda row: (row.branch, row.entry, row.group, row.view)
        return next(i for i, row in enumerate(self.step.rows) if row.lane == lane and with_it(row) == with_it(self.step.rows[taker]))

    def mask(self, mask: Tensor, how: str = "area") -> Tensor:
        """[y, x] -> [N, 1], as all rows of a call see it; masks are float32 everywhere."""
        return self.maps(mask[None], how)[0][:, None]

    def maps(self, maps: Tensor, how: str = "area") -> Tensor:
        """[n, y, x] -> [n, N]"""
        view, seen = self.step.rows[0].view, maps[None].float()
        seen = seen if view is None else view.crop(interpolate(seen, view.canvas, mode=how))
        return interpolate(seen, self.site.grid, mode=how).flatten(2)[0].double()


State = list[list]  # of each row, its softmaxes: Asked up to SCORES, Taken after


class Rule(NamedTuple):
    """One technique in one order: act(scene, now, before) writes `now`; givers are read as they were before this order."""

    order: Order
    kind: str
    act: Callable[[Scene, State, State], None]


def naive(rules: Iterable[Rule], step: Step) -> At:
    rules = list(rules)

    def at(site: Site, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scene = Scene(step, site, q)
        state: State = [[Asked(q[i], {"own": Part(k[i], v[i])})] for i in range(len(q))]
        for order in Order:
            if order == Order.VALUES:
                state = [[asked.taken() for asked in row] for row in state]
            obey(rules, order, scene, state)
        return torch.stack([sum(taken.out() for taken in row) for row in state])

    return at


def obey(rules: Sequence[Rule], order: Order, scene: Scene, state: State) -> None:
    before = [list(row) for row in state]
    for rule in rules:
        if (rule.order, rule.kind) == (order, scene.site.kind):
            rule.act(scene, state, before)
