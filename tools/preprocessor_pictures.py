"""Pictures of the preprocessors' help pages, from drawn pictures: `python -m concord.tools.preprocessor_pictures`.

Each shows what goes in beside what comes out. Models are not at hand: where one is needed, what it would see is drawn (depth) or made without it (edges).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ..practice.drawing import render
from ..practice.world import Scene, place_thing
from ..processors.images.canny import canny
from ..processors.images.colour_grid import colour_grid
from ..processors.images.high_frequency import high_frequency
from ..processors.images.hough_lines import hough_lines
from ..processors.images.normals import normals
from ..processors.images.scribble import outlines, scribble
from ..processors.images.sobel import sobel_map
from ..processors.images.tile import tile_hint
from .sheets import Picture, row

DOCS, SIDE = Path(__file__).parents[1] / "web" / "docs", 256


def objects() -> Tensor:
    """Two objects of the practice world [1, 3, 256, 256], enlarged from its own 128 pixels and smoothed as cameras do."""
    scene = Scene("blue", (place_thing("star", "yellow", "solid", "left"), place_thing("circle", "red", "striped", "right")))
    return interpolate(render(scene).image[None], (SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)


def room() -> tuple[Tensor, Tensor]:
    """A room with a window and a ball: picture [1, 3, 256, 256] and nearness [1, 1, 256, 256], 0 at the window, 1 at the viewer."""
    down, right = torch.meshgrid(torch.linspace(-1, 1, 2 * SIDE), torch.linspace(-1, 1, 2 * SIDE), indexing="ij")
    wall = torch.maximum(down.abs(), right.abs()).clamp(min=0.5)  # the far wall fills the middle half
    nearness, image = wall, torch.full((3, 2 * SIDE, 2 * SIDE), 0.75)
    sides = [(right <= -down.abs(), 0.55), (right >= down.abs(), 0.62), (down >= right.abs(), 0.4), (down <= -right.abs(), 0.9)]
    for where, light in sides:
        image[:, where & (wall > 0.5)] = light
    window = (right.abs() < 0.25) & (down > -0.35) & (down < 0.15)
    frame = window & ((right.abs() < 0.02) | ((down + 0.1).abs() < 0.02))
    image[:, window], image[:, frame] = torch.tensor([0.45, 0.7, 0.95])[:, None], 0.3
    ball = 0.3**2 - (right - 0.25) ** 2 - (down - 0.5) ** 2
    height = ball.clamp(min=0).sqrt()
    image[:, ball > 0] = torch.tensor([0.8, 0.25, 0.2])[:, None] * (0.45 + 1.8 * height[ball > 0])
    nearness = torch.where(ball > 0, 0.65 + height, nearness)
    depth = ((nearness - 0.5) / 0.5).clamp(0, 1)
    halve = lambda picture: interpolate(picture[None], (SIDE, SIDE), mode="area")
    return halve(image), halve(depth[None])


def picture(image: Tensor) -> Picture:
    """[1, 1|3, y, x] 0..1"""
    return Image.fromarray((255 * image[0].expand(3, -1, -1)).round().byte().movedim(0, -1).numpy())


def main() -> None:
    torch.set_num_threads(1)
    scene, (inside, depth) = objects(), room()
    soft = sobel_map(inside, 1.5, 4.0)
    made: dict[str, tuple[Tensor, Callable[[Tensor], Tensor] | Tensor]] = {
        "Canny": (scene, canny), "Sobel": (scene, lambda image: sobel_map(image, 1.0, 3.0)), "HighFrequency": (scene, high_frequency),
        "HoughLines": (inside, hough_lines), "Scribble": (scene, lambda image: scribble(outlines(image))),
        "TileHint": (scene, lambda image: tile_hint(image, 8)), "ColourGrid": (scene, lambda image: colour_grid(image, 32)),
        "NormalFromDepth": (depth, normals), "Depth": (inside, depth), "LoadDepth": (inside, depth), "SoftEdge": (inside, soft), "LoadSoftEdge": (inside, soft),
    }  # fmt: skip
    for node, (before, after) in made.items():
        path = DOCS / f"Concord_{node}" / "hint.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        row([picture(before), picture(after if isinstance(after, Tensor) else after(before))]).save(path, optimize=True)


if __name__ == "__main__":
    main()
