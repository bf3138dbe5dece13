"""The hint of colour adapters (T2I-Adapter's "color"): a coarse grid of mean colours."""
from __future__ import annotations

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate


def colour_grid(image: Tensor, cell: int = 64) -> Tensor:
    """[B, C, y, x] 0..1 -> the same size in cells of about `cell` pixels, each in the mean colour of what it covers."""
    y, x = image.shape[-2:]
    return interpolate(adaptive_avg_pool2d(image, (max(1, round(y / cell)), max(1, round(x / cell)))), (y, x), mode="nearest-exact")
