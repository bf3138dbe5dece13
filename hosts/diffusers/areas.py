"""Where on the canvas a conditioning acts, and how much: areas, masks, feathered edges. All sizes in latent cells."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...processors.errors import ConcordError
from ...processors.rows import View
from ...processors.views import feathered
from .resize import resize, to_batch

SMALLEST = 8  # cells of the shortest side of a mask's bounds


def place(cond: dict[str, Any], batch: int, canvas: tuple[int, int]) -> tuple[View | None, Tensor]:
    """-> the window that a conditioning acts on (None: the whole canvas), and its weight there [1|B, 1, h, w]."""
    mask = _on_canvas(cond["mask"], canvas) if "mask" in cond else None
    if mask is not None and cond.get("set_area_to_bounds", False):
        view = _clip(_bounds(mask), canvas)
    elif "area" in cond:
        view = _clip(_cells(cond["area"], canvas), canvas)
    else:
        view = None
    strength = cond.get("strength", 1.0)
    if mask is None:
        return view, torch.ones(1, 1, *canvas) * strength if view is None else feathered(view)[None, None] * strength
    weight = mask[:batch].unsqueeze(1) * cond.get("mask_strength", 1.0)
    weight = view.crop(weight) if view else weight
    return view, (weight if len(weight) == 1 else to_batch(weight, batch)) * strength


def _cells(area: tuple, canvas: tuple[int, int]) -> tuple[int, int, int, int]:
    """(h, w, y, x) as given, or as shares of the canvas."""
    if area[0] != "percentage":
        return tuple(area)
    h, w, y, x = (round(share * canvas[i % 2]) for i, share in enumerate(area[1:]))
    return max(1, h), max(1, w), y, x


def _clip(area: tuple[int, int, int, int], canvas: tuple[int, int]) -> View:
    h, w, y, x = area
    if not (0 <= y < canvas[0] and 0 <= x < canvas[1]):
        raise ConcordError(f"an area starts at x {8 * x}, y {8 * y} pixels, outside of the picture of {8 * canvas[1]} x {8 * canvas[0]}; "
                           "move it inside, or give its position in percent")
    return View(y, x, min(h, canvas[0] - y), min(w, canvas[1] - x), canvas)


def _on_canvas(mask: Tensor, canvas: tuple[int, int]) -> Tensor:
    """[y, x] | [n, y, x] -> [n, H, W]"""
    mask = mask if mask.ndim == 3 else mask.unsqueeze(0)
    return mask if mask.shape[1:] == canvas else resize(mask.unsqueeze(1), canvas[1], canvas[0], "bilinear").squeeze(1)


def _bounds(mask: Tensor) -> tuple[int, int, int, int]:
    """(h, w, y, x) of all that is not 0 in any mask of the batch; a corner for empty masks, whose weight is 0 anyway."""
    rows, columns = torch.where(mask.abs().amax(0) != 0)
    if not len(rows):
        return SMALLEST, SMALLEST, 0, 0
    y, x = int(rows.min()), int(columns.min())
    return max(SMALLEST, int(rows.max()) - y + 1), max(SMALLEST, int(columns.max()) - x + 1), y, x
