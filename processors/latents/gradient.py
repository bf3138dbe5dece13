"""Guidance by gradients: before a step the canvas goes down the slope of a loss over what the attention sees in it, and is looked at again where a paper
says so. All losses of a step are asked at one canvas, in one evaluation, and their moves are added: none goes before another.
"""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import ClassVar

import torch
from torch import Tensor

from ..edit import Canvas, LatentEdit, Stage
from ..errors import ConcordError
from ..looking import Looking, Seen
from ..rows import Row, Site
from ..run import Run, Step

SCALES = (2.0**12, 2.0**4, 2.0**-4)  # so that half precision neither loses nor overflows a gradient; powers of two change no digit
LOOKS = "looks between steps"  # in a run's memory: how many there were, and in how many steps


@dataclass(frozen=True, eq=False, kw_only=True)
class GradientEdit(LatentEdit):
    """x <- x - size * d loss / d x, for each sample by itself. Subclasses name what they read, their loss, its size, and when they want to look again."""

    stage = Stage.LATENTS_BEFORE
    order = Canvas.GRADIENTS
    per_head: ClassVar[bool] = False

    layers: frozenset[int] | None = None  # cross-attentions by number in execution order; None: the authors'
    entry: int = 0  # which conditioning of the positive has the words, where none is marked
    mark: str | None = None  # of the conditioning that has them (see `rows.WORDS`)

    @property
    def owns(self) -> frozenset[str]:  # type: ignore[override]
        """Its own loss: the same one twice is one."""
        return frozenset({f"loss of {self.id}"})

    def takes(self, row: Row) -> bool:
        return row.lane != "reference" and super().takes(row)

    def reads(self, row: Row) -> bool:
        """Whether what a row of a look gives to its tokens is read."""
        return row.tells(self.entry, self.mark) and row.branch == "positive" and self.takes(row)

    def places(self, sites: Sequence[Site]) -> frozenset[int]:
        """The cross-attentions that are read, of all sites of the network."""
        cross = [site for site in sites if site.kind == "cross"]
        return frozenset(site.index for site in cross if (site.index in self.layers if self.layers is not None else self.usual(site, cross)))

    def usual(self, site: Site, among: Sequence[Site]) -> bool:
        """The authors' choice among the cross-attentions of a network."""
        raise NotImplementedError(type(self).__name__)

    def tokens(self, count: int) -> tuple[int, ...]:
        """The places that are read of a prompt of `count` tokens."""
        raise NotImplementedError(type(self).__name__)

    def losses(self, seen: Seen, step: Step) -> tuple[Tensor, Tensor]:
        """[S], [S]: what is watched while it refines, and moves the picture then; and what moves it else."""
        raise NotImplementedError(type(self).__name__)

    def size(self, step: Step) -> float:
        """How far a gradient of 1 moves x."""
        raise NotImplementedError(type(self).__name__)

    def asks(self, watched: Sequence[float], before: float, step: Step) -> bool:
        """Whether a sample wants to be looked at (again). watched: its losses in this step until now; before: the last one of the steps before."""
        raise NotImplementedError(type(self).__name__)

    def refines(self, watched: Sequence[float], step: Step) -> bool:
        """Whether the last look was one to refine, so that only what is watched moves the picture."""
        return False

    def change(self, x: Tensor, step: Step) -> Tensor:
        """The first of a step's edits moves the canvas for all."""
        edits = tuple(edit for edit in step.run.program.at(self.stage, step) if isinstance(edit, GradientEdit) and step.where(edit))
        return guide(edits, x, step) if edits and edits[0] is self else x

    def finished(self, run: Run) -> None:
        edits = [edit for edit in run.program.edits if isinstance(edit, GradientEdit)]
        if edits[0] is self:
            looks: dict[int, int] = run.memory.get(LOOKS, {})
            names = " and ".join(sorted({edit.technique for edit in edits}))
            logging.getLogger(__name__).info("%s: %d more evaluations with gradients, in %d of %d steps", names, sum(looks.values()), len(looks),
                                             len(run.sigmas) - 1)


@dataclass(eq=False)
class Tries:
    """One edit in one step: what it watched of each sample until now."""

    edit: GradientEdit
    step: Step
    before: dict[int, float]  # of each sample, in the steps before
    watched: dict[int, list[float]] = field(default_factory=dict)
    resting: bool = False  # the prompt with its words, which was told before, is not due in this step

    @classmethod
    def of(cls, edit: GradientEdit, step: Step) -> Tries:
        return cls(edit, step, step.once((edit.id, "watched"), dict), {sample: [] for sample in step.where(edit)})

    @property
    def open(self) -> tuple[int, ...]:
        """The samples that want to be looked at."""
        if self.resting:
            return ()
        return tuple(s for s, watched in self.watched.items() if self.edit.asks(watched, self.before.get(s, inf), self.step))

    def loss(self, seen: Seen, samples: Sequence[int]) -> Tensor:
        """[S]: what moves these samples."""
        watched, whole = self.edit.losses(seen, self.step)
        for sample, value in zip(samples, watched.detach(), strict=True):
            self.watched[sample].append(float(value))
        refined = torch.tensor([self.edit.refines(self.watched[sample], self.step) for sample in samples], device=whole.device)
        return torch.where(refined, watched, whole)

    def close(self) -> None:
        self.before.update({sample: watched[-1] for sample, watched in self.watched.items() if watched})


def guide(edits: Sequence[GradientEdit], x: Tensor, step: Step) -> Tensor:
    """The canvas x [B, C, h, w] after all that these edits do in this step."""
    if step.run.look is None:
        raise ConcordError(f"{edits[0].technique} moves the picture between steps by gradients, which nothing here can ask for; use it with a sampler node")
    tries = [Tries.of(edit, step) for edit in edits]
    while asking := [(one, samples) for one in tries if (samples := one.open)]:
        x = x - move(asking, x, step)
        looks: dict[int, int] = step.once(LOOKS, dict)
        looks[step.number] = looks.get(step.number, 0) + 1
    for one in tries:
        one.close()
    return x


def move(asking: Sequence[tuple[Tries, tuple[int, ...]]], x: Tensor, step: Step) -> Tensor:
    """[B, C, h, w]: the sum of size * gradient over the edits, each of its samples' own losses, all at x."""
    run, sizes = step.run, {one.edit.id: one.edit.size(step) for one, _ in asking}
    largest = max(map(abs, sizes.values()))
    assert run.look is not None
    with run.look() as evaluate:
        canvas = x.detach().clone().requires_grad_()
        run.looking = looking = Looking.of([one.edit for one, _ in asking], run)
        try:
            evaluate(canvas, step.sigma)
        finally:
            run.looking = None
        total: dict[int, Tensor] = {}  # of each sample
        for one, samples in asking:
            one.resting = bool(one.before) and looking.blind(one.edit)
            for sample, loss in () if one.resting else zip(samples, one.loss(looking.seen(one.edit, samples), samples), strict=True):
                total[sample] = total.get(sample, 0) + loss * (sizes[one.edit.id] / largest)
        return slope(total, canvas, step) * largest


def slope(total: Mapping[int, Tensor], canvas: Tensor, step: Step) -> Tensor:
    """[B, C, h, w]: the gradient of each sample's total to the sample itself; of one lane at a time, so that a source does not move to help its targets."""
    lanes = {row.lane: [other.sample for other in step.rows if other.lane == row.lane and other.sample in total] for row in step.rows}
    for scale in SCALES:
        found = torch.zeros_like(canvas)
        for samples in filter(None, lanes.values()):
            loss = torch.stack([total[sample] for sample in samples]).sum() * scale
            found[samples] = torch.autograd.grad(loss, canvas, retain_graph=True)[0][samples] / scale
        if found.isfinite().all():
            return found
    raise ConcordError("the gradient of the guidance is not finite in this model's precision; load the model in bfloat16 or float32")
