"""Depth hints: white is near, black is far, the whole range used."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

KERNELS = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers


@dataclass(frozen=True)
class DepthInput:
    """How a depth network wants its pictures, as its preprocessor_config.json says."""

    height: int
    width: int
    keep_shape: bool  # the size that is nearer to the picture's own counts for both sides
    multiple: int  # both sides are multiples of it
    kernel: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def size(self, y: int, x: int) -> tuple[int, int]:
        """Height and width at which the network sees a picture."""
        scales = [self.height / y, self.width / x]
        if self.keep_shape:
            scales = [min(scales, key=lambda scale: abs(1 - scale))] * 2
        fitted = lambda length: max(self.multiple, round(length / self.multiple) * self.multiple)
        return fitted(scales[0] * y), fitted(scales[1] * x)

    def prepare(self, image: Tensor) -> Tensor:
        """[B, 3, y, x] 0..1 -> what the network takes."""
        resized = interpolate(image, self.size(*image.shape[-2:]), mode=self.kernel, antialias=True, align_corners=False).clamp(0, 1)
        return (resized - image.new_tensor(self.mean).view(1, 3, 1, 1)) / image.new_tensor(self.deviation).view(1, 3, 1, 1)


def depth_hint(predict: Callable[[Tensor], Tensor], image: Tensor, wants: DepthInput, metres: bool = False) -> Tensor:
    """[B, 3, y, x] 0..1 -> [B, 1, y, x] 0..1, each picture from its farthest point (0) to its nearest (1).

    predict: prepared pictures -> [B, h, w], larger is nearer; with `metres` it is a distance, of which the inverse is taken, as ControlNets
    were trained on the inverse distances of MiDaS.
    """
    found = predict(wants.prepare(image)).float()[:, None]
    if metres:
        found = 1 / found.clamp(min=0.1)
    found = interpolate(found, image.shape[-2:], mode="bicubic", antialias=True, align_corners=False)
    low, high = found.amin((2, 3), keepdim=True), found.amax((2, 3), keepdim=True)
    even = high - low <= 1e-5 * high.abs()  # no depth but rounding: black
    return ((found - low) / (high - low).masked_fill(even, torch.inf)).clamp(0, 1)
