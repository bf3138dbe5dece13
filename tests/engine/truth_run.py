"""The naive truth of a whole sampling run: step after step, branch after branch, window after window; nothing is shared, nothing is kept."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from concord.hosts.diffusers.control_net import Control
from concord.hosts.diffusers.guidance import Followed
from concord.hosts.diffusers.host import apply_control
from concord.hosts.diffusers.model import Model
from concord.hosts.diffusers.sample import guided
from concord.hosts.diffusers.samplers import SAMPLERS
from concord.hosts.diffusers.schedule import DiscreteSchedule
from concord.processors.edit import Edit, Program
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.latents.bank import Bank
from concord.processors.latents.follow import follow_bank
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.rows import View
from concord.processors.run import Run, Step
from concord.processors.stepping import Stepper
from concord.tests import sampling_models
from concord.tests.engine.toy import BRANCHES, TOKENS, lanes, noise
from concord.tests.engine.truth import naive
from concord.tests.engine.truth_unet import TEXT, techniques, unet, written_out
from torch import Tensor

SCHEDULE = DiscreteSchedule.scaled_linear()
SIGMAS = (*(SCHEDULE.percent_to_sigma(percent) for percent in (0.125, 0.375, 0.625, 0.875)), 0.0)
WINDOW, STRIDE = (6, 6), (4, 4)
CONTROLS = {"control": ((0, 0.75), ()), "control2": ((1, 0.5), (("reference", 0.0), ("target", 0.25)))}  # (seed, strength), weights of lanes
BEYOND = (*CONTROLS, "windows", "replay")  # techniques that are not in attention


@cache
def control_net(seed: int) -> Any:
    return sampling_models.control_net(sampling_models.unet(), seed).double()


@dataclass(frozen=True)
class Sampling:
    """One run, to be done by both. canvas: latent cells."""

    names: tuple[str, ...]
    samples: int = 4
    canvas: tuple[int, int] = (8, 12)
    cfg: float = 3.0

    @property
    def start(self) -> Tensor:
        return SIGMAS[0] * noise(9, self.samples, 4, *self.canvas)

    @property
    def recorded(self) -> Tensor:
        """The source's way through the steps."""
        return torch.stack([sigma * noise(50 + i, 1, 4, *self.canvas) for i, sigma in enumerate(SIGMAS)])

    @property
    def sources(self) -> list[int]:
        return [row.sample for row in lanes(self.samples).rows([("positive", 0, None, None)], self.samples) if row.lane == "source"]

    def hint(self, seed: int) -> Tensor:
        """[1, 8H, 8W, 3]"""
        return (noise(70 + seed, 1, *(8 * cells for cells in self.canvas), 3) > 0.5).double()

    def text(self, branch: str) -> Tensor:
        return torch.stack([noise(200 * BRANCHES.index(branch) + sample, TOKENS, TEXT) for sample in range(self.samples)])


def by_engine(run: Sampling, rows_per_call: int | None = None) -> Tensor:
    """What comes out of the headless host."""
    program = Program.of((edit for name in run.names for edit in edits(name, run)), lanes(run.samples))
    said = tuple([[run.text(branch), {}]] for branch in BRANCHES)
    for name in run.names:
        if name in CONTROLS:
            (seed, strength), weights = CONTROLS[name]
            said = apply_control(*said, Control(control_net(seed)), run.hint(seed), ControlResiduals(strength=strength, lanes=weights))
    sigmas = torch.tensor(SIGMAS, dtype=torch.float64)
    with torch.no_grad():
        model, branches = Model(unet(False), program=program, rows_per_call=rows_per_call), dict(zip(BRANCHES, said, strict=True))
        denoise = guided(model, run.cfg, branches, run.samples, run.canvas, sigmas)
        stepper = Stepper(denoise.run)
        return stepper.leave(SAMPLERS["euler"].walk(Followed(denoise, stepper), run.start, sigmas, lambda *_: torch.zeros(()), lambda *_: None))


def edits(name: str, run: Sampling) -> tuple[Edit, ...]:
    match name:
        case "windows":
            return multidiffusion(WINDOW, STRIDE)
        case "replay":
            return follow_bank(Bank(run.recorded, SIGMAS), frozenset({"source"}))
    return techniques()[name].edits if name in techniques() else ()


@torch.no_grad()
def by_truth(run: Sampling) -> Tensor:
    """The same, written out."""
    x = run.start
    replayed = run.sources if "replay" in run.names else []
    for number, (sigma, after) in enumerate(pairwise(SIGMAS)):
        x[replayed] = run.recorded[number]
        positive, negative = (predicted(run, branch, x, number) for branch in BRANCHES)
        x = x + (x - negative - run.cfg * (positive - negative)) / sigma * (after - sigma)
    x[replayed] = run.recorded[-1]
    return x


def predicted(run: Sampling, branch: str, x: Tensor, number: int) -> Tensor:
    """The clean latent that one branch sees: the mean of what each window sees."""
    total, count = torch.zeros_like(x), torch.zeros_like(x)
    for view in windows(run):
        view.add(total, in_window(run, branch, x, number, view))
        view.add(count, torch.ones(view[2:4]))
    return total / count


def windows(run: Sampling) -> Iterator[View]:
    if "windows" not in run.names:
        return iter([View(0, 0, *run.canvas, run.canvas)])
    ends = [full - size for full, size in zip(run.canvas, WINDOW, strict=True)]
    ys, xs = ({*range(0, end, stride), end} for end, stride in zip(ends, STRIDE, strict=True))
    return iter([View(y, x, *WINDOW, run.canvas) for y in ys for x in xs])


def in_window(run: Sampling, branch: str, x: Tensor, number: int, view: View) -> Tensor:
    sigma, x = SIGMAS[number], view.crop(x)
    seen, text, when = x / (1 + sigma**2) ** 0.5, run.text(branch), SCHEDULE.timestep(torch.tensor(sigma))
    rows = lanes(run.samples).rows([(branch, 0, None if view.whole else view, TOKENS)], run.samples)
    step = Step(rows, number, 0.0, sigma, 0, Run(samples=run.samples))
    rules = [rule for name in run.names if name in techniques() for rule in techniques()[name].rules]
    more = controlled(run, step, view, seen, text, when)
    with written_out(naive(rules, step), (view.h, view.w)):
        return x - sigma * unet(False)(seen, when, text, **more).sample


def controlled(run: Sampling, step: Step, view: View, seen: Tensor, text: Tensor, when: Tensor) -> dict[str, Any]:
    """What the control networks add, as the UNet takes it."""
    said = []
    for (seed, strength), weights in (CONTROLS[name] for name in run.names if name in CONTROLS):
        pixels = View(*(8 * cells for cells in view[:4]), (8 * view.canvas[0], 8 * view.canvas[1]))
        hint = pixels.crop(run.hint(seed).movedim(-1, 1)).expand(run.samples, -1, -1, -1)
        skips, middle = control_net(seed)(seen, when, encoder_hidden_states=text, controlnet_cond=hint, return_dict=False)
        weight = torch.tensor([strength * dict(weights).get(row.lane, 1.0) for row in step.rows], dtype=torch.float64)[:, None, None, None]
        said.append([weight * t for t in (*skips, middle)])
    if not said:
        return {}
    *skips, middle = (sum(parts) for parts in zip(*said, strict=True))
    return {"down_block_additional_residuals": tuple(skips), "mid_block_additional_residual": middle}
