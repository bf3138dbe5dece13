"""The canvas between the evaluations of a sampler: edits of the latent stages, written into the sampler's own tensor where a step begins.

A sampler calls the model with a tensor of its own and goes on from it, so what is written into it at a step's first evaluation is what the step
starts from: exact for all samplers that read x again after that call. Multistep samplers keep the predictions of earlier steps as they were.
"""
from __future__ import annotations

from dataclasses import dataclass
from math import isclose

from torch import Tensor

from .edit import LatentEdit, Program, Stage
from .errors import ConcordError
from .rows import Lanes
from .run import Run, Step

FITS = "use euler, ddim, heun, euler_ancestral, dpmpp_2m or dpmpp_2m_sde"


@dataclass(eq=False)
class Stepper:
    """Follows one sampler through one run. `inner`: how often that sampler asks again within a step, wherever that is; never in a step to 0.
    A sampler with none may ask between two steps."""

    run: Run
    inner: int = 0
    step: Step | None = None  # the one that is being done
    number: int = -1  # its place in the schedule
    left: int = 0  # what it still asks within this step

    def enter(self, x: Tensor, sigma: float) -> None:
        """Before an evaluation of the sampler's x [B, C, h, w] at `sigma`: x is written in place where this begins a step."""
        if self.left:
            self.left -= 1
        elif self.is_at(self.number + 1, sigma):
            self.begin(x)
        elif self.is_at(self.number, sigma):
            raise ConcordError(f"this sampler asks twice at the start of a step (sigma {sigma:.4g}); {changers(self.run.program)} cannot tell from where "
                               f"it goes on; {FITS}")

    def leave(self, x: Tensor) -> Tensor:
        """After the sampler: its result, with what is due when the last step is over."""
        if self.number != len(self.run.sigmas) - 2:
            raise ConcordError(f"this sampler left out step {self.number + 2} of {len(self.run.sigmas) - 1}; {changers(self.run.program)} must see "
                               f"them all; {FITS}")
        return self.after(x)

    def is_at(self, number: int, sigma: float) -> bool:
        return 0 <= number < len(self.run.sigmas) - 1 and isclose(sigma, self.run.sigmas[number], rel_tol=1e-6)

    def begin(self, x: Tensor) -> None:
        changed = self.after(x)
        self.number += 1
        self.left = self.inner if self.run.sigmas[self.number + 1] > 0 else 0
        rows = self.run.program.lanes.rows([("positive", 0, None, None)], self.run.samples)
        self.step = self.run.step(self.run.sigmas[self.number], rows)
        changed = change(Stage.LATENTS_BEFORE, changed, self.step)
        if changed is not x:
            x.copy_(changed)

    def after(self, x: Tensor) -> Tensor:
        return change(Stage.LATENTS_AFTER, x, self.step) if self.step else x


def change(stage: Stage, x: Tensor, step: Step) -> Tensor:
    for edit in step.run.program.at(stage, step):
        x = edit.change(x, step)
    return x


def changes_canvas(program: Program) -> bool:
    """Whether a sampler has to be followed."""
    return any(isinstance(edit, LatentEdit) for edit in program.edits)


def changers(program: Program) -> str:
    """Who wants the sampler followed, for people."""
    return " and ".join(sorted({edit.technique for edit in program.edits if isinstance(edit, LatentEdit)}))


def shared_noise(lanes: Lanes, samples: int) -> tuple[int, ...] | None:
    """For each sample the one whose step noise it gets: a target its source's, all others their own; None where that is everyone's own."""
    roles = [lanes.row(sample) for sample in range(samples)]
    sources = {group: sample for sample, (lane, group) in enumerate(roles) if lane == "source"}
    alone = next(iter(sources.values())) if len(sources) == 1 else None  # the only source serves all groups
    given = [sources.get(group, alone) if lane == "target" else sample for sample, (lane, group) in enumerate(roles)]
    found = tuple(sample if giver is None else giver for sample, giver in enumerate(given))
    return found if found != tuple(range(samples)) else None
