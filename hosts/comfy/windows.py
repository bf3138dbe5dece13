"""What a window sees of ComfyUI's conditions: areas, masks, latents beside the prompt and control hints, all cropped alike."""
from __future__ import annotations

from typing import Any

import torch
from comfy.conds import CONDNoiseShape
from comfy.utils import common_upscale
from torch import Tensor

from ...processors.errors import ConcordError
from ...processors.rows import View
from ...processors.views import check_framed, feathered
from .control import WeighedControl, begin
from .session import Session, area_of


def cut(branch: list[dict] | None, view: View, session: Session, model: Any, device: torch.device) -> list[dict] | None:
    """The conditions of one branch for one window; entries whose area the window does not touch are left out."""
    if branch is None:
        return None
    return [seen for cond in branch for seen in cut_one(cond, view, session, model, device)]


def cut_one(cond: dict, view: View, session: Session, model: Any, device: torch.device) -> list[dict]:
    """One condition for one window: itself, nothing, or the pieces of its area."""
    if "gligen" in cond:
        raise ConcordError("GLIGEN boxes do not follow the windows of MultiDiffusion; remove GLIGENTextBoxApply from this prompt, "
                           "or MultiDiffusion from the model")
    seen = dict(cond)
    seen["model_conds"] = {key: value._copy_with(view.crop(value.cond)) if isinstance(value, CONDNoiseShape) else value
                           for key, value in cond.get("model_conds", {}).items()}
    area = area_of(cond, view.canvas)
    check_framed(session.run.program, area is not None, heard(cond.get("control")))
    mask = cond.get("mask")
    if area is not None and mask is None:  # the host feathers an area's edges; a window sees a part of that feather, not one of its own
        mask = session.run.once(("feather", area, device), lambda: feather_on_canvas(area).to(device))
    if mask is not None:
        seen["mask"] = view.crop(mask)
    if area is None:
        return [with_control(seen, view, session, model)]
    return [with_control({**seen, "area": (*piece.in_window[2:4], *piece.in_window[:2]), "uuid": (cond.get("uuid"), number)}, piece.in_area, session, model)
            for number, piece in enumerate(view.pieces(area))]


def feather_on_canvas(area: View) -> Tensor:
    """[1, H, W]: the area's weight, nothing elsewhere."""
    weight = torch.zeros(1, *area.canvas)
    area.add(weight, feathered(area))
    return weight


def with_control(cond: dict, view: View, session: Session, model: Any) -> dict:
    control = cond.get("control")
    return cond if control is None else {**cond, "control": control_for(control, view, session, model)}


def heard(control: Any) -> bool:
    """Whether the reference hears any control of the chain."""
    if control is None:
        return False
    silent = isinstance(control, WeighedControl) and ("reference", 0.0) in control.edit.lanes
    return not silent or heard(control.previous_controlnet)


def control_for(control: Any, view: View, session: Session, model: Any) -> Any:
    """A copy of a control chain whose hints are what the window sees: the host's controls remember one hint at one size."""
    if (id(control), view) not in session.controls:
        copied = cropped(control, view)
        begin(copied, control, model)
        if control.previous_controlnet is not None:
            copied.set_previous_controlnet(control_for(control.previous_controlnet, view, session, model))
        session.controls[id(control), view] = copied
    return session.controls[id(control), view]


def cropped(control: Any, view: View) -> Any:
    """One control with the hint as the host would scale it to the canvas, then cropped."""
    copied = control.copy()
    if isinstance(copied, WeighedControl):
        copied.view = view  # its mask lies over the hint
    hint = control.cond_hint_original
    if hint is not None:
        pixels = control.compression_ratio * (control.vae.spacial_compression_encode() if control.vae is not None else 1)
        y, x, h, w, (full_h, full_w) = view
        full = common_upscale(hint, full_w * pixels, full_h * pixels, control.upscale_algorithm, "center")
        copied.cond_hint_original = View(y * pixels, x * pixels, h * pixels, w * pixels, (full_h * pixels, full_w * pixels)).crop(full)
    return copied
