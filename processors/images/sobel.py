"""A soft map of how fast a picture changes: every edge in the grey of its strength, nothing decided by a threshold."""
from __future__ import annotations

from torch import Tensor

from .gradients import blurred, steepness


def sobel_map(image: Tensor, blur: float = 0.0, gain: float = 1.0) -> Tensor:
    """[B, 1|3, y, x] 0..1 -> [B, 1, y, x] 0..1: length of the Sobel slope in the channel where it is longest.

    At gain 1 a sharp step from black to white is white. `blur`: pixels by which the picture is softened first, against grain.
    """
    return (steepness(blurred(image, blur)) * (gain / 4)).clamp(0, 1)
