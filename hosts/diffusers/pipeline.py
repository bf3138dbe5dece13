"""Techniques on a plain diffusers pipeline: `with control(pipe, *style_aligned(), lanes=reference_lane()): pipe([...])`."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from ...processors.edit import Edit, Program, Stage
from ...processors.errors import ConcordError
from ...processors.rows import Lanes
from ...processors.run import Run
from ...processors.schedule import Progress
from .schedule import DiscreteSchedule
from .unet import Place, editing, sites


@contextmanager
def control(pipe: Any, *edits: Edit, lanes: Lanes | None = None) -> Iterator[Any]:
    """Inside the `with`, the pipeline's UNet does these attention edits; afterwards it is as it was.

    pipe: a diffusers Stable Diffusion 1.x or SDXL pipeline, whose batch is [negative, positive] under guidance, as theirs all are.
    """
    program = Program.of(edits, lanes)
    if other := next((edit for edit in program.edits if edit.stage != Stage.ATTENTION), None):
        raise ConcordError(f"{other.technique} is more than an attention technique; a plain pipeline has no place for it. "
                           "Run it as a workflow (`concord run`), or use the pipeline that diffusers has for it")
    unet = getattr(pipe, "unet", None)
    if type(unet).__name__ != "UNet2DConditionModel":
        raise ConcordError(f"{type(pipe).__name__} has no UNet2DConditionModel; Stable Diffusion 1.x and SDXL pipelines have one")
    watch = Watch(pipe, program, sites(unet))
    hooks = unet.register_forward_pre_hook(watch.before, with_kwargs=True), unet.register_forward_hook(watch.after, always_call=True)
    try:
        yield pipe
        watch.end()
    finally:
        watch.after()
        for hook in hooks:
            hook.remove()


class Watch:
    """Reads each call of the network and puts the edits in for as long as it takes."""

    def __init__(self, pipe: Any, program: Program, places: tuple[Place, ...]) -> None:
        self.pipe, self.program, self.places = pipe, program, places
        self.schedule = DiscreteSchedule.scaled_linear()
        self.run, self.last, self.final, self.inside = Run(program), float("inf"), 0.0, ExitStack()

    def before(self, module: Any, args: tuple, kwargs: dict) -> None:
        sample, timestep = (list(args) + [kwargs.get("sample")] * (not args))[0], args[1] if len(args) > 1 else kwargs["timestep"]
        t = float(torch.as_tensor(timestep).flatten()[0])
        branches = ["negative", "positive"] if getattr(self.pipe, "do_classifier_free_guidance", False) else ["positive"]
        samples = len(sample) // len(branches)
        if t >= self.last or samples != self.run.samples:
            self.begin(samples, branches)
        self.last = t
        rows = self.program.lanes.rows([(branch, 0, None, None) for branch in branches], samples)
        self.run.calls += 1
        step = self.run.step(float(self.schedule.sigma(torch.tensor(t))), rows)
        self.inside.enter_context(editing(self.places, self.program.at(Stage.ATTENTION, step), step, (sample.shape[-2], sample.shape[-1])))

    def begin(self, samples: int, branches: list[str]) -> None:
        """A new run: timesteps began again at the top."""
        self.end()
        self.final = float(self.pipe.scheduler.timesteps[-1])
        sigmas = self.schedule.sigma(torch.as_tensor(self.pipe.scheduler.timesteps, dtype=torch.float32).cpu()).tolist()
        self.run = Run(self.program, samples, (*sigmas, 0.0), Progress(self.schedule.percent_to_sigma))
        self.run.check([site for site, _, _ in self.places], branches)

    def end(self) -> None:
        """The run is over, if it came to its last timestep."""
        if self.run.calls and self.last == self.final:
            self.run.finish()

    def after(self, *_: Any) -> None:
        self.inside.close()
