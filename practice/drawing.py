"""Draw a scene: the picture with its masks, outline and boxes, from signed distances (no image file anywhere).

Letters: `y x` pixels. A signed distance is in pixels, negative inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .shapes import distance
from .wide import layers, pattern
from .world import LANDSCAPES, Scene, Thing

PALETTE = {
    "red": (224, 32, 36),
    "green": (34, 164, 56),
    "blue": (33, 68, 224),
    "yellow": (245, 222, 32),
    "purple": (140, 42, 180),
    "orange": (252, 132, 18),
    "white": (245, 245, 245),
    "black": (16, 16, 18),
}
STRIPES, DOTS = 8.5, 9.5  # pixels from one to the next, at every size of canvas: windows of a large canvas look like small ones


@dataclass(frozen=True)
class Picture:
    """image [3, y, x] 0..1; masks [n, y, x] 0 or 1, what is seen of each object (of each layer of a landscape);
    outline [y, x] 0..1, a white line two pixels wide on black: the ControlNet hint; boxes: fractions (x0, y0, x1, y1)."""

    image: Tensor
    masks: Tensor
    outline: Tensor
    boxes: tuple[tuple[float, float, float, float], ...]

    def sockets(self) -> tuple[Tensor, Tensor, Tensor]:
        """Picture and outline [1, y, x, 3], and where any object is [1, y, x], as node graphs pass them."""
        covered = self.masks.sum(0, keepdim=True).clamp(max=1)
        return self.image.movedim(0, -1)[None], self.outline[None, ..., None].expand(-1, -1, -1, 3), covered


def render(scene: Scene, width: int = 128, height: int = 128) -> Picture:
    """Draw `scene` on a canvas of any size; the same scene always gives the same pixels."""
    if scene.wide is not None and scene.wide not in LANDSCAPES:
        image = pattern(scene.wide, np.array(PALETTE[scene.tone], np.float32), scene.seed, width, height)
        painted: list[tuple[np.ndarray, np.ndarray]] = []
    elif scene.wide is not None:
        image, painted = layers(scene.wide, scene.tone, scene.seed, width, height)
    else:
        image = np.broadcast_to(np.array(PALETTE[scene.background], np.float32), (height, width, 3)).copy()
        painted = [_thing(thing, scene.background, width, height) for thing in scene.things]

    masks, outline = np.zeros((len(painted), height, width), np.float32), np.zeros((height, width), np.float32)
    for number, (signed, colour) in enumerate(painted):  # back to front: what is nearer hides what is behind
        inside = signed <= 0
        masks[:number, inside] = 0
        masks[number] = inside
        outline[inside] = 0
        outline = np.maximum(outline, np.clip(1.5 - np.abs(signed), 0, 1))
        cover = np.clip(0.5 - signed, 0, 1)[..., None]
        if colour.ndim == 3:
            cover, colour = cover * colour[..., 3:], colour[..., :3]
        image += cover * (colour - image)
    return Picture(
        torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)) / 255),
        torch.from_numpy(masks),
        torch.from_numpy(outline),
        tuple(box(mask) for mask in masks),
    )


def box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The smallest box around a mask [y, x], as fractions (x0, y0, x1, y1), half open; all zero when the mask is empty."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(ys):
        return (0.0, 0.0, 0.0, 0.0)
    height, width = mask.shape
    return (xs[0] / width, ys[0] / height, (xs[-1] + 1) / width, (ys[-1] + 1) / height)


def _thing(thing: Thing, background: str, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance [y, x] of one object and its paint [y, x, 4]: colour 0..255 and cover 0..1."""
    radius = thing.radius * min(width, height)
    y, x = np.ogrid[:height, :width]
    across = (x + 0.5 - thing.x * width).astype(np.float32)  # [1, x]
    down = (y + 0.5 - thing.y * height).astype(np.float32)  # [y, 1]
    cos, sin = np.float32(np.cos(thing.angle)), np.float32(np.sin(thing.angle))
    signed = distance(thing.shape, cos * across + sin * down, cos * down - sin * across, radius)

    paint = np.empty((height, width, 4), np.float32)
    paint[..., :3], paint[..., 3] = PALETTE[thing.colour], 1
    accent = np.array(PALETTE["black" if thing.colour == "white" else "white"], np.float32)
    if thing.texture == "striped":
        phase = np.abs((across + down) / (STRIPES * np.sqrt(2)) % 1 - 0.5) * STRIPES  # pixels from the middle of a stripe
        ink = np.clip(STRIPES * 0.225 - phase + 0.5, 0, 1)[..., None]
    elif thing.texture == "dotted":
        dx, dy = across % DOTS - DOTS / 2, down % DOTS - DOTS / 2
        ink = np.clip(2.6 - np.sqrt(dx * dx + dy * dy) + 0.5, 0, 1)[..., None]
    elif thing.texture == "sketch":
        paint[..., 3] = np.clip(signed + 4.5 + 0.5, 0, 1)
        return signed, paint
    else:
        return signed, paint
    paint[..., :3] += ink * (accent - paint[..., :3])
    return signed, paint
