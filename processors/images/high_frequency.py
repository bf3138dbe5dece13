"""The high-frequency map of AnyDoor (Chen et al., "AnyDoor: Zero-shot Object-level Image Customization", 2023, section 3.2): details without areas."""
from __future__ import annotations

from torch import Tensor

from .gradients import sobel


def high_frequency(image: Tensor, threshold: float = 50.0) -> Tensor:
    """[B, 3, y, x] 0..1 -> [B, 3, y, x] 0..1: the picture's own colours, as strong as its edges there; black where nothing changes.

    The strength of an edge is the mean of both Sobel slopes' sizes, each at most white, in the channel where it is largest, as in the authors'
    code. `threshold` 0..255: weaker edges are black.
    """
    right, down = (slope.abs().clamp(max=1) for slope in sobel(image))
    strength = (0.5 * (right + down)).amax(1, keepdim=True)
    return image * strength.where(strength * 255 >= threshold, 0)
