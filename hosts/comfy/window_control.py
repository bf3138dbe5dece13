"""ComfyUI's controls under windows: hints that are cut to what the rows of a call see."""
from __future__ import annotations

from typing import Any

import torch
from comfy.controlnet import ControlBase, ControlLora, ControlNet, T2IAdapter, broadcast_image_to
from comfy.utils import common_upscale
from torch import Tensor

from ...processors.rows import View
from .control import WeighedControl, begin
from .session import Session, read_step

KNOWN = (ControlNet, ControlLora, T2IAdapter)  # whose hint can be another one in every call


class WindowedControl(ControlBase):
    """A control of the host, without those before it, whose hint lies over the canvas and is cut to the windows of each call: one for all windows,
    so that they may share a call."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        inner.copy_to(self)

    def get_control(self, x_noisy: Tensor, t: Tensor, cond: dict, batched_number: int, transformer_options: dict) -> dict | None:
        hint: Any = self.cond_hint_original
        rows = read_step(x_noisy, transformer_options).rows
        samples = len(rows) // batched_number
        cuts = [hint if view is None else in_pixels(view, self.compression_ratio).crop(hint) for view in (row.window or row.view for row in rows[::samples])]
        each = [broadcast_image_to(cut, samples, 1) for cut in cuts]
        self.inner.cond_hint = None
        self.inner.cond_hint_original = torch.cat([cut.expand(samples, -1, -1, -1) for cut in each])
        self.inner.set_previous_controlnet(self.previous_controlnet)
        return self.inner.get_control(x_noisy, t, cond, batched_number, transformer_options)

    def cleanup(self) -> None:
        super().cleanup()
        self.inner.cleanup()


def control_for(control: Any, view: View, shared: bool, session: Session, model: Any, device: torch.device) -> Any:
    """A copy of a control chain for what a window sees of its hints. `shared`: one for all windows of the canvas, if its kind is known;
    others remember one hint at one size, so that each window has a copy of its own, and a call."""
    together = shared and known(control)
    key = id(control), view.canvas if together else view
    if key not in session.controls:
        copied = over_windows(control, view, model, device) if together else cropped(control, view, model)
        if control.previous_controlnet is not None:
            copied.set_previous_controlnet(control_for(control.previous_controlnet, view, together, session, model, device))
        session.controls[key] = copied
    return session.controls[key]


def known(control: Any) -> bool:
    """Whether all of a chain can have another hint in every call."""
    if control is None:
        return True
    inner = control.inner if isinstance(control, WeighedControl) else control
    return type(inner) in KNOWN and inner.vae is None and not inner.extra_concat_orig and known(control.previous_controlnet)


def over_windows(control: Any, view: View, model: Any, device: torch.device) -> Any:
    """One control whose hint is cut in every call."""
    copied = control.copy()
    begin(copied, control, model)
    hint = scaled(control, view).to(device)
    if not isinstance(copied, WeighedControl):
        copied.cond_hint_original = hint
        return WindowedControl(copied)
    copied.inner, copied.cond_hint_original, copied.windowed = WindowedControl(copied.inner), hint, True
    return copied


def cropped(control: Any, view: View, model: Any) -> Any:
    """One control whose hint is what one window sees of it."""
    copied = control.copy()
    if isinstance(copied, WeighedControl):
        copied.view = view  # its mask lies over the hint
    if control.cond_hint_original is not None:
        copied.cond_hint_original = in_pixels(view, pixels(control)).crop(scaled(control, view))
    begin(copied, control, model)
    return copied


def scaled(control: Any, view: View) -> Tensor:
    """The hint as the host would scale it to the canvas that `view` is a window of."""
    h, w = view.canvas
    return common_upscale(control.cond_hint_original, w * pixels(control), h * pixels(control), control.upscale_algorithm, "center")


def pixels(control: Any) -> int:
    """Of a hint, per latent cell."""
    return control.compression_ratio * (control.vae.spacial_compression_encode() if control.vae is not None else 1)


def in_pixels(view: View, cell: int) -> View:
    y, x, h, w, (full_h, full_w) = view
    return View(y * cell, x * cell, h * cell, w * cell, (full_h * cell, full_w * cell))
