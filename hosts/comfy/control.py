"""ControlNets in ComfyUI, weighed by our edits: a control object of the host around another one."""
from __future__ import annotations

from typing import Any

import torch
from comfy.controlnet import ControlBase
from torch import Tensor

from ...processors.features.controlnet import ControlResiduals, Residuals
from ...processors.run import Run
from ...processors.schedule import Progress
from .session import SESSION, read_step

PARTS = ("output", "middle", "input")  # the host's names, in the order of Residuals


class WeighedControl(ControlBase):
    """What `inner` (a control net of the host at strength 1 and always on) adds, as `edit` weighs it."""

    def __init__(self, inner: Any, edit: ControlResiduals) -> None:
        super().__init__()
        self.inner, self.edit, self.run = inner, edit, Run()
        inner.copy_to(self)  # what the host and our windows ask a control about its hint

    def pre_run(self, model: Any, percent_to_timestep_function: Any) -> None:
        super().pre_run(model, percent_to_timestep_function)
        self.inner.cond_hint_original = self.cond_hint_original  # a window's copy has a hint of its own
        self.inner.pre_run(model, percent_to_timestep_function)
        self.run = Run(progress_of=Progress(lambda percent: float(percent_to_timestep_function(percent))))

    def get_control(self, x_noisy: Tensor, t: Tensor, cond: dict, batched_number: int, transformer_options: dict) -> dict | None:
        before = None
        if self.previous_controlnet is not None:
            before = self.previous_controlnet.get_control(x_noisy, t, cond, batched_number, transformer_options)
        step = read_step(x_noisy, transformer_options) if SESSION in transformer_options else self.run.step(float(t[0]), ())
        if not self.edit.active(step):
            return before
        added = self.inner.get_control(x_noisy, t, cond, batched_number, transformer_options)
        if added is None:
            return before
        weighed = self.edit.weigh(read(added), step)
        return write(weighed if before is None else read(before).plus(weighed))

    def copy(self) -> WeighedControl:
        copied = WeighedControl(self.inner.copy(), self.edit)
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
        copied = WeighedControl(self.inner.deepclone_multigpu(load_device), self.edit)
        self.copy_to(copied)
        if autoregister:
            self.multigpu_clones[load_device] = copied
        return copied


def read(control: dict) -> Residuals:
    return Residuals(*(tuple(control.get(part, ())) for part in PARTS))


def write(residuals: Residuals) -> dict:
    """In the host's form: lists, because the network pops what it has used."""
    return {part: list(tensors) for part, tensors in zip(PARTS, residuals, strict=True)}
