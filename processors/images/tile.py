"""The hint of tile ControlNets: the picture without its details, which the model then draws anew."""
from __future__ import annotations

from torch import Tensor
from torch.nn.functional import interpolate


def tile_hint(image: Tensor, factor: float = 4.0) -> Tensor:
    """[B, C, y, x] 0..1 -> the same size, as if enlarged from 1 / `factor` of it: details smaller than `factor` pixels are gone. 1 changes nothing."""
    y, x = image.shape[-2:]
    small = (max(1, round(y / factor)), max(1, round(x / factor)))
    if small == (y, x):
        return image
    reduced = interpolate(image, small, mode="bilinear", antialias=True, align_corners=False)
    return interpolate(reduced, (y, x), mode="bicubic", align_corners=False).clamp(0, 1)
