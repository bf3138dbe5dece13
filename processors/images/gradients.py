"""What the hint makers measure: brightness, blur, slopes."""
from __future__ import annotations

from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

LUMA = (0.299, 0.587, 0.114)  # red, green, blue (ITU-R BT.601, as OpenCV's and Pillow's grey)


def grey(image: Tensor) -> Tensor:
    """[B, 1|3, y, x] 0..1 -> [B, 1, y, x] 0..1."""
    return image if image.shape[1] == 1 else (image * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def blurred(image: Tensor, sigma: float) -> Tensor:
    """A Gaussian of `sigma` pixels; the picture goes on beyond its edges as its last pixels are. 0 is off."""
    from kornia.filters import gaussian_blur2d  # here, because kornia takes a second to import

    size = 2 * ceil(3 * sigma) + 1
    return image if size == 1 else gaussian_blur2d(image, (size, size), (sigma, sigma), border_type="replicate")


def sobel(image: Tensor) -> tuple[Tensor, Tensor]:
    """Slopes to the right and downwards [B, C, y, x], 8 times the difference per pixel; exact for whole numbers in every dtype."""
    wide = pad(image, (1, 1, 1, 1), mode="replicate")
    down = wide[..., :-2, :] + 2 * wide[..., 1:-1, :] + wide[..., 2:, :]
    across = wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]
    return down[..., 2:] - down[..., :-2], across[..., 2:, :] - across[..., :-2, :]


def steepness(image: Tensor) -> Tensor:
    """[B, C, y, x] -> [B, 1, y, x]: length of the slope in the channel where it is longest; 4 at a sharp step from 0 to 1."""
    return torch.hypot(*sobel(image)).amax(1, keepdim=True)


def thickened(lines: Tensor, width: int) -> Tensor:
    """Lines one pixel wide -> `width` pixels wide. [B, 1, y, x]"""
    before = (width - 1) // 2
    return max_pool2d(pad(lines, (before, width - 1 - before) * 2), width, stride=1) if width > 1 else lines
