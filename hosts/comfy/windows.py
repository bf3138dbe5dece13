"""What the windows on a strip see of ComfyUI's conditions: areas, masks, latents beside the prompt, control hints and GLIGEN boxes, all cropped alike."""
from __future__ import annotations

from typing import Any

import torch
from comfy.conds import CONDNoiseShape
from comfy.utils import repeat_to_batch_size
from torch import Tensor

from ...processors.rows import Piece, View
from ...processors.strips import Strip
from ...processors.views import MARK, check_framed, feathered, framed
from .control import WeighedControl
from .session import PLACE, Session, area_of
from .window_control import control_for

DEFAULT = ("default", "mask", "area", "strength", "mask_strength")  # keys that a condition for what others leave over has, or has no use for

def cut(branch: list[dict] | None, strip: Strip, session: Session, model: Any, x: Tensor, sigma: float) -> list[dict] | None:
    """The conditions of one branch for the windows of a strip x [B, C, n*h, w], each as an area of it. Windows that a condition's area or mask does
    not touch are left out."""
    if branch is None:
        return None
    last = [number for number, cond in enumerate(branch) if "default" in cond]
    alone = framed(session.run.step(sigma, ()))
    seen = [part for number, cond in enumerate(branch) if number not in last for part in cut_one(cond, number, strip, session, model, x.device, alone)]
    if not last:
        return seen
    # these are heard where no other is: the host would fill what is left of the whole strip
    left = (1 - strip.over_marks(weight(seen, x, sigma))).clamp(min=0)[:, 0]
    bare = lambda cond: {key: value for key, value in cond.items() if key not in DEFAULT}
    return seen + [{**part, "mask": left} for number in last for part in cut_one(bare(branch[number]), number, strip, session, model, x.device, alone)]


def cut_one(cond: dict, number: int, strip: Strip, session: Session, model: Any, device: torch.device, alone: tuple[int, ...] = ()) -> list[dict]:
    """One condition, `number` of its branch, once for each window that it is seen in, or for each piece of its area there. alone: samples in a frame."""
    once, area, mask = session.run.once, area_of(cond, strip.canvas), cond.get("mask")
    check_framed(session.run.program, area is not None, heard(cond.get("control")))
    if area is not None and mask is None:  # the host feathers an area's edges; a window sees a part of that feather, not one of its own
        mask = once(("feather", area, device), lambda: feather_on_canvas(area).to(device))
    # the tensor beside what is made of it: so its id stays its own
    laid = torch.ones((), device=device).expand(1, *strip.size) if mask is None else once(("laid", id(mask), strip), lambda: (mask, strip.lay(mask)))[1]
    told = {key: laid_out(value, strip, session, alone) if isinstance(value, CONDNoiseShape) else value for key, value in cond.get("model_conds", {}).items()}
    found = []
    for slot, view in strip.of(cond.get(MARK, "")):
        for part, piece in enumerate([whole(view)] if area is None else view.pieces(area)):
            if mask is None or once(("touched", id(mask), piece.on_canvas), lambda m=mask, at=piece.on_canvas: (m, bool(at.crop(m).any())))[1]:
                y, x, h, w, _ = strip.place(slot).within(*piece.in_window[:4])
                seen = {**cond, "model_conds": told, "area": (h, w, y, x), "mask": laid, "uuid": (cond.get("uuid"), slot, part),
                        PLACE: (number, piece.on_canvas)}
                found.append(with_boxes(with_control(seen, piece.in_area, area is None, session, model, device), piece.in_area))
    return found


def laid_out(beside: CONDNoiseShape, strip: Strip, session: Session, alone: tuple[int, ...]) -> CONDNoiseShape:
    """What lies beside the latent [B, C, H, W] (masks and pictures of inpainting models, and of those that edit), as the latent itself is seen on a strip."""

    def make() -> tuple[CONDNoiseShape, CONDNoiseShape]:
        each = repeat_to_batch_size(beside.cond, session.run.samples) if alone else beside.cond
        return beside, beside._copy_with(strip.lay(each, alone))

    return session.run.once(("beside", id(beside), strip, alone), make)[1]


def whole(view: View) -> Piece:
    """All of a window, for conditions that are everywhere."""
    return Piece(View(0, 0, view.h, view.w, (view.h, view.w)), view, view)


def weight(branch: list[dict] | None, x: Tensor, sigma: float) -> Tensor:
    """[B, 1, n*h, w]: how much the conditions of a branch that act at this noise level count on a strip x [B, C, n*h, w], as the host counts them."""
    total = x.new_zeros(len(x), 1, *x.shape[-2:])
    for cond in branch or ():
        if cond.get("timestep_end", 0.0) <= sigma <= cond.get("timestep_start", sigma):
            h, w, top, left = cond["area"]
            at, mask = View(top, left, h, w, (x.shape[-2], x.shape[-1])), cond["mask"][: len(x)]
            by = at.crop(mask).unsqueeze(1) * (cond.get("mask_strength", 1.0) * cond.get("strength", 1.0))
            at.add(total, by.repeat(len(x) // len(by), 1, 1, 1))
    return total


def feather_on_canvas(area: View) -> Tensor:
    """[1, H, W]: the area's weight, nothing elsewhere."""
    weight = torch.zeros(1, *area.canvas)
    area.add(weight, feathered(area))
    return weight


def with_control(cond: dict, view: View, shared: bool, session: Session, model: Any, device: torch.device) -> dict:
    control = cond.get("control")
    return cond if control is None else {**cond, "control": control_for(control, view, shared, session, model, device)}


def with_boxes(cond: dict, view: View) -> dict:
    """GLIGEN's boxes (text, h, w, y, x in cells), as far as they lie in the window, counted from its corner."""
    if "gligen" not in cond:
        return cond
    kind, model, boxes, *more = cond["gligen"]
    parts = [(text, *piece.in_window[2:4], *piece.in_window[:2], *others)
             for text, h, w, y, x, *others in boxes for piece in view.pieces(View(y, x, h, w, view.canvas))]
    return {**cond, "gligen": (kind, model, parts, *more)}


def heard(control: Any) -> bool:
    """Whether the reference hears any control of the chain."""
    if control is None:
        return False
    silent = isinstance(control, WeighedControl) and ("reference", 0.0) in control.edit.lanes
    return not silent or heard(control.previous_controlnet)
