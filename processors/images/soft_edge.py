"""Soft edges that a network draws: DexiNed (Soria, Riba, Sappa, "Dense Extreme Inception Network", 2020), for soft-edge and scribble ControlNets."""
from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import pad

MEAN = (103.939, 116.779, 123.68)  # blue, green, red, of 255: what the published weights were trained with
STRIDE = 16  # the network halves its pictures four times


def soft_edges(network: Callable[[Tensor], Tensor | list[Tensor]], image: Tensor, safe: bool = False) -> Tensor:
    """[B, 3, y, x] 0..1 -> edges [B, 1, y, x] 0..1.

    network: DexiNed in evaluation mode; the last of its maps counts, where it gives several (kornia before 0.8). `safe`: three greys instead of
    all, which keeps what the picture shows between the edges from shining through (ControlNet 1.1's "safe" soft edges).
    """
    y, x = image.shape[-2:]
    blue_green_red = 255 * image.flip(1) - image.new_tensor(MEAN).view(1, 3, 1, 1)
    made = network(pad(blue_green_red, (0, -x % STRIDE, 0, -y % STRIDE), mode="replicate"))
    edges = (made[-1] if isinstance(made, list) else made)[..., :y, :x].sigmoid()
    return (edges * 3).floor().clamp(max=2) / 2 if safe else edges
