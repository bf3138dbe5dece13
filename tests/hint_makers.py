"""The hint makers that need no network, with their defaults, and pictures whose hints are known."""
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from concord.processors.images.canny import canny
from concord.processors.images.colour_grid import colour_grid
from concord.processors.images.gradients import grey
from concord.processors.images.high_frequency import high_frequency
from concord.processors.images.hough_lines import hough_lines
from concord.processors.images.normals import normals
from concord.processors.images.scribble import outlines, scribble
from concord.processors.images.sobel import sobel_map
from concord.processors.images.tile import tile_hint
from torch import Tensor

MAKERS: dict[str, Callable[[Tensor], Tensor]] = {
    "canny": canny, "sobel": sobel_map, "high_frequency": high_frequency, "hough_lines": hough_lines,
    "scribble": lambda image: scribble(outlines(image)), "scribble_of_edges": lambda image: scribble(grey(image)),
    "tile": tile_hint, "colour_grid": colour_grid, "normals": lambda image: normals(grey(image)),
}  # fmt: skip
BLACK_WHERE_EVEN = ("canny", "sobel", "high_frequency", "hough_lines", "scribble")


def scene(batch: int = 3, y: int = 65, x: int = 97) -> Tensor:
    """Discs, bars and grain [B, 3, y, x], another in each picture."""
    noise = torch.rand(batch, 3, y, x, generator=torch.Generator().manual_seed(batch * y + x))
    down, right = torch.meshgrid(torch.arange(y), torch.arange(x), indexing="ij")
    shapes = torch.stack([((down - y / 2) ** 2 + (right - x * (i + 1) / (batch + 1)) ** 2 < (y / 4) ** 2) | (down % 23 < 3 + i) for i in range(batch)])
    return (0.2 + 0.6 * shapes[:, None].float() + 0.2 * noise).expand(batch, 3, y, x).clone()


def bar(degrees: float, length: float = 140, width: float = 4, y: int = 201, x: int = 257) -> Tensor:
    """[1, 3, y, x]: a white bar through the middle of a black picture, `degrees` clockwise from level, with smooth edges."""
    down, right = torch.meshgrid(torch.arange(y) - y // 2, torch.arange(x) - x // 2, indexing="ij")
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    beside, along = (down * cos - right * sin).abs(), (right * cos + down * sin).abs()
    return ((width / 2 + 0.5 - beside).clamp(0, 1) * (length / 2 + 0.5 - along).clamp(0, 1)).expand(1, 3, y, x).clone()


def square(y: int = 64, x: int = 64) -> Tensor:
    """[1, 3, y, x]: white from 16 to 47 in both directions, on black."""
    picture = torch.zeros(1, 3, y, x)
    picture[..., 16:48, 16:48] = 1
    return picture
