"""T2I-Adapters: a picture -> four maps that are added to a UNet's blocks on the way down, at every step the same.

Mou et al., T2I-Adapter: Learning Adapters to Dig out More Controllable Ability for Text-to-Image Diffusion Models, arXiv 2302.08453. Modules are named as
in the published files. At odd sizes maps are padded as ComfyUI pads them.
"""
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, dtype, nn
from torch.nn.functional import avg_pool2d, pixel_unshuffle

from ...processors.features.residuals import Residuals


@dataclass(frozen=True)
class AdapterShape:
    """What the tensors say about an adapter."""

    channels: tuple[int, ...]  # of its four maps
    layers: int  # residual blocks a map
    hint: int  # channels of the picture: 3, or 1 for grey
    light: bool = False
    sdxl: bool = False
    kernel: int = 1
    convolves: bool = False  # halves the size by a convolution instead of a mean

    @property
    def unit(self) -> int:
        """Pixels of the picture in a cell of the first map."""
        return 16 if self.sdxl else 8

    def halves(self, level: int) -> bool:
        return level == 2 if self.sdxl else level > 0


class Adapter(nn.Module):
    """hint [n, 1 | 3, y, x] 0..1, sides that `shape.unit` divides -> Residuals of n rows: four maps."""

    def __init__(self, shape: AdapterShape) -> None:
        super().__init__()
        self.shape = shape
        inputs = shape.hint * shape.unit**2
        before = (inputs if shape.light else shape.channels[0], *shape.channels)
        if not shape.light:
            self.conv_in = nn.Conv2d(inputs, shape.channels[0], 3, padding=1)
        self.body = nn.ModuleList()
        for level, width in enumerate(shape.channels):
            halves = shape.halves(level)
            if shape.light:
                self.body.append(Extractor(before[level], width, shape.layers, halves))
            else:
                self.body.extend(Block(before[level] if i == 0 else width, width, shape, halves and i == 0) for i in range(shape.layers))

    @property
    def dtype(self) -> dtype:
        return next(self.parameters()).dtype

    def forward(self, hint: Tensor) -> Residuals:
        if self.shape.hint == 1 and hint.shape[1] > 1:
            hint = hint.mean(1, keepdim=True)
        h, maps = pixel_unshuffle(hint, self.shape.unit), []
        h = h if self.shape.light else self.conv_in(h)
        every = 1 if self.shape.light else self.shape.layers
        for i, block in enumerate(self.body):
            h = block(h)
            if i % every == every - 1:
                maps.append(h)
        a, b, c, d = maps
        if self.shape.sdxl:
            return Residuals(inputs=(None, None, None, a, None, b, None, None, c), middle=(d,))
        return Residuals(inputs=(None, None, a, None, None, b, None, None, c, None, None, d))


class Block(nn.Module):
    """One residual block of the full adapter, which may halve the size before it."""

    def __init__(self, before: int, width: int, shape: AdapterShape, halves: bool) -> None:
        super().__init__()
        around = lambda a, b, kernel: nn.Conv2d(a, b, kernel, padding=kernel // 2)
        self.in_conv = around(before, width, shape.kernel) if before != width else None
        self.block1, self.block2 = around(width, width, 3), around(width, width, shape.kernel)
        self.down_opt = Halving(before, shape.convolves) if halves else None

    def forward(self, h: Tensor) -> Tensor:
        h = self.down_opt(h) if self.down_opt else h
        h = self.in_conv(h) if self.in_conv else h
        return h + self.block2(self.block1(h).relu())


class Extractor(nn.Module):
    """One level of the light adapter."""

    def __init__(self, before: int, width: int, layers: int, halves: bool) -> None:
        super().__init__()
        inner = width // 4
        self.in_conv, self.out_conv = nn.Conv2d(before, inner, 1), nn.Conv2d(inner, width, 1)
        self.body = nn.Sequential(*(LightBlock(inner) for _ in range(layers)))
        self.down_opt = Halving(before, False) if halves else None

    def forward(self, h: Tensor) -> Tensor:
        return self.out_conv(self.body(self.in_conv(self.down_opt(h) if self.down_opt else h)))


class LightBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block1, self.block2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.block2(self.block1(h).relu())


class Halving(nn.Module):
    def __init__(self, width: int, convolves: bool) -> None:
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1) if convolves else None

    def forward(self, h: Tensor) -> Tensor:
        return self.op(h) if self.op else avg_pool2d(h, 2, padding=(h.shape[-2] % 2, h.shape[-1] % 2))
