"""What a window sees of ComfyUI's conditions: areas, masks, latents beside the prompt and control hints, all cropped alike."""
from __future__ import annotations

from typing import Any

from comfy.conds import CONDNoiseShape
from comfy.utils import common_upscale

from ...processors.rows import View
from .session import Session


def cut(branch: list[dict] | None, view: View, session: Session, model: Any) -> list[dict] | None:
    """The conditions of one branch for one window; entries whose area the window does not touch are left out."""
    if branch is None:
        return None
    return [seen for cond in branch if (seen := cut_one(cond, view, session, model)) is not None]


def cut_one(cond: dict, view: View, session: Session, model: Any) -> dict | None:
    seen = dict(cond)
    if cond.get("area") is not None and len(cond["area"]) == 4:
        seen["area"] = cut_area(cond["area"], view)
        if seen["area"] is None:
            return None
    if cond.get("mask") is not None:
        seen["mask"] = view.crop(cond["mask"])
    seen["model_conds"] = {key: value._copy_with(view.crop(value.cond)) if isinstance(value, CONDNoiseShape) else value
                           for key, value in cond.get("model_conds", {}).items()}
    if cond.get("control") is not None:
        seen["control"] = control_for(cond["control"], view, session, model)
    return seen


def cut_area(area: tuple[int, int, int, int], view: View) -> tuple[int, int, int, int] | None:
    """(h, w, y, x) on the canvas -> the part inside the window, from the window's corner. None: no part."""
    h, w, y, x = area
    top, left = max(y, view.y), max(x, view.x)
    bottom, right = min(y + h, view.y + view.h), min(x + w, view.x + view.w)
    return (bottom - top, right - left, top - view.y, left - view.x) if bottom > top and right > left else None


def control_for(control: Any, view: View, session: Session, model: Any) -> Any:
    """A copy of a control chain whose hints are what the window sees: the host's controls remember one hint at one size."""
    if (id(control), view) not in session.controls:
        copied = cropped(control, view)
        if control.previous_controlnet is not None:
            copied.set_previous_controlnet(control_for(control.previous_controlnet, view, session, model))
        copied.pre_run(model, model.model_sampling.percent_to_sigma)
        session.controls[id(control), view] = copied
    return session.controls[id(control), view]


def cropped(control: Any, view: View) -> Any:
    """One control with the hint as the host would scale it to the canvas, then cropped."""
    copied = control.copy()
    hint = control.cond_hint_original
    if hint is not None:
        pixels = control.compression_ratio * (control.vae.spacial_compression_encode() if control.vae is not None else 1)
        y, x, h, w, (full_h, full_w) = view
        full = common_upscale(hint, full_w * pixels, full_h * pixels, control.upscale_algorithm, "center")
        copied.cond_hint_original = View(y * pixels, x * pixels, h * pixels, w * pixels, (full_h * pixels, full_w * pixels)).crop(full)
    return copied
