"""Canny edges: thin white lines where brightness or colour changes fast (Canny, "A Computational Approach to Edge Detection", 1986)."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from .connected import touching
from .gradients import sobel

TANGENT = 13573  # of 22.5 degrees, in 1/32768, as OpenCV rounds it


def canny(image: Tensor, low: float = 100.0, high: float = 200.0) -> Tensor:
    """[B, 1|3, y, x] 0..1 -> [B, 1, y, x], 1 on edges and 0 elsewhere: the same pixels as OpenCV's Canny on the picture in 8 bits.

    `low`, `high`: thresholds in OpenCV's units, the sum of both slopes' sizes (at most 2040): edges steeper than `high`, and what of the edges
    steeper than `low` hangs together with them. Given the wrong way round they are exchanged. Of several channels each pixel takes the steepest.
    """
    low, high = sorted((low, high))
    right, down = sobel((image * 255).round().clamp(0, 255).int())
    height, channel = (right.abs() + down.abs()).max(1, keepdim=True)
    thin = _thin(height, right.gather(1, channel), down.gather(1, channel))[:, 0]
    height = height[:, 0]
    return touching(thin & (height > low), thin & (height > high))[:, None].to(image.dtype)


def _thin(height: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Where the slope is the highest along its own direction, rounded to 45 degrees. Of two equal neighbours the left or upper one stays."""
    around = pad(height, (1, 1, 1, 1))
    y, x = height.shape[-2:]
    at = lambda dy, dx: around[..., 1 + dy : 1 + dy + y, 1 + dx : 1 + dx + x]
    across, along = right.abs(), down.abs() << 15
    flat = across * TANGENT
    sideways, upright = along < flat, along > flat + (across << 16)
    left_right = (height > at(0, -1)) & (height >= at(0, 1))
    up_down = (height > at(-1, 0)) & (height >= at(1, 0))
    falling = (height > at(-1, -1)) & (height > at(1, 1))
    rising = (height > at(-1, 1)) & (height > at(1, -1))
    slanted = torch.where((right ^ down) < 0, rising, falling)
    return torch.where(sideways, left_right, torch.where(upright, up_down, slanted))
