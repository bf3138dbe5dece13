"""One sampling run and its steps: what is remembered, which rows are there, and a site's attention with all edits done."""
from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, scaled_dot_product_attention

from .edit import AttentionEdit, Order, Program, Stage
from .program import Attend, Index, Plan, execute
from .rows import Row, Site, View

# Inside the `with`, gradients are on, and x [B, C, h, w] at a sigma can be asked about as often as is wanted; the host says what stops it.
Look = Callable[[], AbstractContextManager[Callable[[Tensor, float], None]]]


@dataclass(eq=False)
class Run:
    """All memory of one sampling run: caches, banks, probes. Dropped at its end; never a part of a model."""

    program: Program = field(default_factory=Program)
    samples: int = 1  # the size of the latent batch
    sigmas: tuple[float, ...] = ()  # the schedule, the last one where sampling ends
    progress_of: Callable[[float], float] | None = None  # sigma -> the host's percent there
    keep: frozenset[str] = frozenset()  # lanes that later calls will ask for
    cfg: float | None = None  # how strongly the positive is preferred, where the host guides by one number
    weights_of: Callable[[], str] | None = None  # a digest of the model's weights, for what was recorded with others
    look: Look | None = None  # the host's way to ask the positive branch between two steps
    looking: Any = None  # in such a look: what it reads (`looking.Looking`); None: this is the sampler's own prediction
    sites: tuple[Site, ...] = ()  # of the network, in execution order
    noise: Tensor | None = None  # [B, C, H, W] unit noise that was added at its start, in the network's units
    memory: dict[Hashable, Any] = field(default_factory=dict)
    index: Index = field(default_factory=Index)
    calls: int = 0  # how often the sampler asked for a prediction

    def __deepcopy__(self, memo) -> Run:
        return self  # hosts copy the options that carry it

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What is constant over a run is computed once per run."""
        if key not in self.memory:
            self.memory[key] = make()
        return self.memory[key]

    def bank(self, call: int) -> dict:
        """What the calls of one prediction lend each other; that of an earlier prediction is let go, because it is large."""
        if self.memory.get("bank", (None,))[0] != call:
            self.memory["bank"] = call, {}
        return self.memory["bank"][1]

    def step(self, sigma: float, rows: Sequence[Row], reweighted: bool = False) -> Step:
        """The step of a model call at `sigma`."""
        number, progress = self.once(("when", sigma), lambda: (self.number(sigma), self.progress(sigma)))
        return Step(tuple(rows), number, progress, sigma, self.calls, self, reweighted)

    def number(self, sigma: float) -> int:
        """The step of the schedule to which a call at `sigma` belongs; calls between two steps (heun) belong to the nearer one."""
        return min(range(max(1, len(self.sigmas) - 1)), key=lambda i: abs(self.sigmas[i] - sigma)) if self.sigmas else 0

    def progress(self, sigma: float) -> float:
        return self.progress_of(sigma) if self.progress_of else 0.0

    def weights(self) -> str:
        """A digest of the model's weights; "" where the host tells none."""
        return self.once("weights", self.weights_of) if self.weights_of else ""

    def finish(self) -> None:
        """The host calls this once, when the run has ended well: edits hand on what outlives it."""
        for edit in self.program.edits:
            edit.finished(self)

    def check(self, sites: Sequence[Site], branches: Sequence[str] = ("positive", "negative")) -> None:
        """What cannot compose is refused here, before the first step."""
        self.sites = tuple(sites)
        self.program.lanes.check(self.samples)
        for edit in self.program.edits:
            edit.begins(self)
        rows = self.program.lanes.rows([(branch, 0, None, None) for branch in branches], self.samples)
        between = [(a * b) ** 0.5 for a, b in pairwise(self.sigmas[:-1])]  # some samplers look there too
        self.program.check(sites, [self.step(sigma, rows) for sigma in sorted({*self.sigmas[:-1], *between}, reverse=True)])


@dataclass(frozen=True, eq=False)
class Step:
    """One model call."""

    rows: tuple[Row, ...]
    number: int = 0  # in this run's schedule
    progress: float = 0.0  # the host's percent at this sigma
    sigma: float = 1.0
    call: int = 0  # counts predictions, so that samplers which evaluate twice a step are told apart
    run: Run = field(default_factory=Run)
    reweighted: bool = False  # whether the model has other weights in this call than in others of the run: what they make is then not kept for it
    resolved: dict[Hashable, tuple] = field(default_factory=dict, init=False, repr=False)  # who is meant, found once for all sites

    @property
    def leads(self) -> str:
        """The branch that this prediction has to run before the others, "" for any order."""
        return next((e.leads for e in self.run.program.edits if e.leads and e.active(self)), "")

    def where(self, edit) -> tuple[int, ...]:
        """The rows that an edit may change."""
        return self.resolve(edit, lambda: tuple(i for i, row in enumerate(self.rows) if edit.takes(row)))

    def givers(self, lane: str, takers: Sequence[int]) -> tuple[int | tuple, ...]:
        """For each taker the row of `lane` with its branch, entry and view: its place in this call, else its key in the bank.

        The giver of the taker's own group serves it; where only one group has a giver, that one serves all.
        """
        return self.resolve((lane, tuple(takers)), lambda: self.find(lane, takers))

    def resolve(self, question: Hashable, answer: Callable[[], tuple]) -> tuple:
        """What is the same at every site is found once per call."""
        if question not in self.resolved:
            self.resolved[question] = answer()
        return self.resolved[question]

    def find(self, lane: str, takers: Sequence[int]) -> tuple[int | tuple, ...]:
        here: dict[tuple, dict[int, int]] = {}
        for i, row in enumerate(self.rows):
            if row.lane == lane:
                here.setdefault(row.place, {})[row.group] = i
        found = []
        for row in (self.rows[i] for i in takers):
            group = self.giving_group(lane, row.group)
            found.append(here.get(row.place, {}).get(group, (lane, group, *row.place)))
        return tuple(found)

    def has_giver(self, lane: str, row: Row) -> bool:
        return any(r.lane == lane and r.group == self.giving_group(lane, row.group) for r in self.rows)

    def giving_group(self, lane: str, group: int) -> int:
        groups = {g for _, role, g in self.run.program.lanes.roles if role == lane} or {row.group for row in self.rows if row.lane == lane}
        return next(iter(groups)) if group not in groups and len(groups) == 1 else group

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        return self.run.once(key, make)

    def projected(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What the model's own weights make of a constant: once a run, or once a call where they change."""
        return self.resolve(key, make) if self.reweighted else self.once(key, make)

    def mask(self, mask: Tensor, site: Site, like: Tensor) -> Tensor:
        """A mask of the canvas [y, x] on the tokens of this site, as each row sees it: [1|R, 1, N, 1] in the dtype and on the device of `like`."""
        views = tuple(row.view for row in self.rows)
        if len(set(views)) == 1:
            return self.seen(mask, site.grid, views[0], like)
        return self.once((id(mask), site.grid, views, like.dtype, like.device), lambda: torch.cat([self.seen(mask, site.grid, view, like) for view in views]))

    def seen(self, mask: Tensor, grid: tuple[int, int], view: View | None, like: Tensor) -> Tensor:
        def make() -> tuple[Tensor, Tensor]:
            m = mask[None, None].to(like.device, torch.float32)
            if view is not None:
                m = view.crop(interpolate(m, view.canvas, mode="area"))
            return mask, interpolate(m, grid, mode="area").reshape(1, 1, -1, 1).to(like.dtype)  # the mask too: its id stays its own

        return self.once((id(mask), grid, view, like.dtype, like.device), make)[1]


def attention(edits: Sequence[AttentionEdit], site: Site, step: Step, q: Tensor, k: Tensor, v: Tensor,
              attend: Attend = scaled_dot_product_attention, bias: Tensor | None = None, foreign: Callable[[], Tensor] | None = None) -> Tensor:
    """What the site computes with `edits` (active, covering, in order) done. q [R, H, N, D]; k, v [R, H, M, D] -> [R, H, N, D]

    `foreign`: what another pack puts in the place of the site's own attention. Where our edits only add terms, that is their base; where they only
    read, it is the result; else what it adds to the model's own attention is added to ours.
    """
    counts = tuple(row.tokens for row in step.rows) if site.kind == "cross" else ()
    plan = rewrite(edits, Plan.of(q, k, v, bias, counts, step.run.index), site, step)
    for edit in edits:
        if edit.order == Order.PROBES:
            edit.read(plan, site, step)
    if all(edit.order == Order.PROBES for edit in edits):
        return foreign() if foreign else attend(q, k, v, bias)
    if foreign is None:
        out = execute(plan, attend)
    elif all(edit.order >= Order.TERMS for edit in edits):
        out = execute(plan.more(), attend, foreign())
    else:
        out = execute(plan, attend, foreign() - attend(q, k, v, bias))
    for edit in edits:
        if edit.order == Order.OUTPUT:
            out = edit.finish(out, plan, site, step, attend)
    return out


def rewrite(edits: Sequence[AttentionEdit], plan: Plan, site: Site, step: Step) -> Plan:
    """The plan with all edits done, in order. Lanes that the run keeps are recorded at every sub-order,
    so that a later call borrows what this one would have lent."""
    for order, group in groupby((e for e in edits if e.order < Order.OUTPUT), key=lambda e: e.order):
        bank = step.run.bank(step.call).setdefault((site.kind, site.index, order), {}) if step.run.keep else {}
        for i, row in enumerate(step.rows):
            if row.lane in step.run.keep:
                home = next(g for g in plan.groups if i in g.rows)
                bank[(row.lane, row.group, *row.place)] = home.pick((i,), plan.index)
        plan = Plan(plan.own, plan.groups, plan.index, bank)
        for edit in group:
            plan = edit.rewrite(plan, site, step)
    return plan


def told(step: Step, text: Tensor, pooled: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """What the rows of a model call are told: text [R, M, C] and, of SDXL, pooled [R, P], with all edits done."""
    for edit in step.run.program.at(Stage.CONDITIONS, step):
        text, pooled = edit.say(text, step), None if pooled is None else edit.say_pooled(pooled, step)
    return text, pooled


def at_site(program: Program, site: Site, step: Step) -> tuple[AttentionEdit, ...]:
    """The attention edits that act at one site in this model call."""
    return tuple(e for e in program.at(Stage.ATTENTION, step) if e.covers(site))
