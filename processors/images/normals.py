"""Surface normals from depth, in the colours of NormalBae and of MiDaS's normal maps."""
from __future__ import annotations

import torch
from torch import Tensor

from .gradients import blurred, sobel


def normals(depth: Tensor, strength: float = 1.0, background: float = 0.1, smooth: float = 2.0) -> Tensor:
    """Nearness [B, 1, y, x] 0..1 (white is near) -> normals as colours [B, 3, y, x] 0..1.

    As ControlNet 1.1 wants them: red faces left, green faces up, blue faces the viewer; 0.5 is none of it, so a wall seen from the front is
    (0.5, 0.5, 1). What nearness means in pixels is not known: at `strength` 1 the whole range from far to near is as deep as half the shorter
    side of the picture is long. `background` 0..1: what is farther is a wall seen from the front. `smooth` pixels: takes the steps out of 8-bit depth.
    """
    scale = strength * min(depth.shape[-2:]) / 2
    right, down = sobel(blurred(depth, smooth))
    slope = torch.cat([right, down], 1) * (scale / 8) * (depth >= background)  # Sobel counts 8 times the difference per pixel
    facing = torch.cat([slope, torch.ones_like(depth)], 1)
    return 0.5 + 0.5 * facing / facing.norm(dim=1, keepdim=True)
