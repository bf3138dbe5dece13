"""ControlNets in ComfyUI, weighed by our edits: a control object of the host around another one."""
from __future__ import annotations

from itertools import zip_longest
from typing import Any

import torch
from comfy.controlnet import ControlBase, ControlLora, ControlNet
from torch import Tensor

from ...processors.features.controlnet import ControlResiduals
from ...processors.features.residuals import Residuals, both
from ...processors.rows import View
from ...processors.run import Run, Step
from ...processors.schedule import Progress
from .control_family import check_fits
from .session import SESSION, read_step

PARTS = ("output", "middle", "input")  # the host's names, in the order of Residuals


class WeighedControl(ControlBase):
    """What `inner` (a control net of the host at strength 1 and always on) adds, as `edit` weighs it."""

    def __init__(self, inner: Any, edit: ControlResiduals, view: View | None = None) -> None:
        super().__init__()
        self.inner, self.edit, self.view, self.run = inner, edit, view, Run()  # view: the window whose part of the hint this one has
        self.windowed = False  # whether the hint lies over the canvas, and each row sees its window's part
        inner.copy_to(self)  # what the host and our windows ask a control about its hint

    def pre_run(self, model: Any, percent_to_timestep_function: Any) -> None:
        check_fits(self.inner, self.edit, model)
        super().pre_run(model, percent_to_timestep_function)
        self.inner.pre_run(model, percent_to_timestep_function)
        self.run = Run(progress_of=Progress(lambda percent: float(percent_to_timestep_function(percent))))

    def get_control(self, x_noisy: Tensor, t: Tensor, cond: dict, batched_number: int, transformer_options: dict) -> dict | None:
        before = None
        if self.previous_controlnet is not None:
            before = self.previous_controlnet.get_control(x_noisy, t, cond, batched_number, transformer_options)
        step = self.step(x_noisy, t, transformer_options)
        if not self.edit.active(step):
            return before
        self.inner.cond_hint_original = self.hint_for(x_noisy, batched_number)
        added = self.inner.get_control(x_noisy, t, cond, batched_number, transformer_options)
        if added is None:
            return before
        h, w = x_noisy.shape[-2:]
        views = tuple(row.window or row.view or View(0, 0, h, w, (h, w)) for row in step.rows) if self.windowed else ()
        weighed = write(self.edit.weigh(read(added), step, self.view or View(0, 0, h, w, (h, w)), views))
        return weighed if before is None else merged(before, weighed)

    def hint_for(self, x: Tensor, branches: int) -> Tensor:
        """One hint a picture at most: the host would deal out as many hints as rows over the branches, so that the negative had other ones."""
        hint: Any = self.cond_hint_original
        return hint[: len(x) // branches] if x.ndim == 4 else hint

    def step(self, x: Tensor, t: Tensor, options: dict) -> Step:
        """The run's, where the model has a program; else there are no lanes, and rows are samples of the batch."""
        if SESSION in options:
            return read_step(x, options)
        chunks = options.get("cond_or_uncond") or [0]
        branches = [(("positive", "negative")[chunk] if chunk < 2 else f"extra{chunk}", 0, None, None) for chunk in chunks]
        return self.run.step(float(t[0]), self.run.program.lanes.rows(branches, len(x) // len(chunks)))

    def copy(self) -> WeighedControl:
        copied = WeighedControl(self.inner.copy(), self.edit, self.view)
        self.copy_to(copied)
        return copied

    def cleanup(self) -> None:
        super().cleanup()
        self.inner.cleanup()
        self.run = Run()

    def get_models(self) -> list:
        return [*super().get_models(), *self.inner.get_models()]

    def get_extra_hooks(self) -> list:
        return [*super().get_extra_hooks(), *self.inner.get_extra_hooks()]

    def inference_memory_requirements(self, dtype: torch.dtype) -> float:
        return super().inference_memory_requirements(dtype) + self.inner.inference_memory_requirements(dtype)

    def deepclone_multigpu(self, load_device: torch.device, autoregister: bool = False) -> WeighedControl:
        copied = WeighedControl(self.inner.deepclone_multigpu(load_device), self.edit, self.view)
        self.copy_to(copied)
        if autoregister:
            self.multigpu_clones[load_device] = copied
        return copied


def begin(copied: Any, control: Any, model: Any) -> None:
    """Makes a window's copy of a control ready for the run that `control` is in, without those before it.

    A Control-LoRA's network, which the host builds at that moment and which weighs half a model, is the same one for all windows.
    """
    if isinstance(copied, WeighedControl):
        begin(copied.inner, control.inner, model)
    elif isinstance(copied, ControlLora):
        ControlNet.pre_run(copied, model, model.model_sampling.percent_to_sigma)
        copied.control_model, copied.manual_cast_dtype = control.control_model, control.manual_cast_dtype
    else:
        copied.pre_run(model, model.model_sampling.percent_to_sigma)


def read(control: dict) -> Residuals:
    """From the host's form, whose list of inputs begins with the last block."""
    skips, middle, inputs = (tuple(control.get(part, ())) for part in PARTS)
    return Residuals(skips, middle, inputs[::-1])


def write(residuals: Residuals) -> dict:
    """In the host's form: lists, because the network pops what it has used."""
    return dict(zip(PARTS, (list(residuals.skips), list(residuals.middle), list(residuals.inputs[::-1])), strict=True))


def merged(before: dict, mine: dict) -> dict:
    """Both, place by place, as the host's own controls are merged."""
    return {part: [both(a, b) for a, b in zip_longest(before.get(part, ()), mine[part])] for part in PARTS}
