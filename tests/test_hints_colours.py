"""Hints that are pictures: tiles, grids of colours, normals."""
from __future__ import annotations

import pytest
import torch
from concord.processors.images.colour_grid import colour_grid
from concord.processors.images.normals import normals
from concord.processors.images.tile import tile_hint

from .hint_makers import scene


def test_a_tile_hint_loses_what_is_smaller_than_its_factor():
    right = torch.arange(96)
    coarse, fine = ((right // width % 2).float().expand(1, 3, 96, 96) for width in (16, 1))
    assert tile_hint(coarse).std() > 0.85 * coarse.std() and tile_hint(fine).std() < 0.1 * fine.std()
    assert torch.equal(tile_hint(fine, 1), fine) and tile_hint(fine, 1000).std() < 1e-3
    image = scene(2, 96, 96)
    assert (tile_hint(image).mean((2, 3)) - image.mean((2, 3))).abs().max() < 0.01, "brightness stays"


def test_a_colour_grid_is_the_mean_of_each_cell():
    image = scene(2, 128, 192)
    means = image.unflatten(3, (3, 64)).unflatten(2, (2, 64)).mean((3, 5))
    assert (colour_grid(image) - means.repeat_interleave(64, 2).repeat_interleave(64, 3)).abs().max() < 1e-5
    assert colour_grid(scene(1, 65, 97))[0, 0].unique().numel() == 2, "97 pixels are two cells wide, 65 one high"


@pytest.mark.parametrize("right, down", [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -2), (1, 1)])
def test_the_normal_of_a_plane(right, down):
    """Depth that rises to the right faces left (red), depth that rises downwards faces up (green); the middle of the picture has no edge effects."""
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(60.0), indexing="ij")
    depth = 0.5 + (right * (x - 30) + down * (y - 40)) / 200
    strength = 2 * 200 / 60  # nearness -> pixels: then the slope per pixel is (right, down)
    expected = torch.tensor([right, down, 1.0]) / (right**2 + down**2 + 1) ** 0.5
    made = normals(depth[None, None], strength)[0, :, 20:60, 20:40]
    assert (made - (0.5 + 0.5 * expected)[:, None, None]).abs().max() < 1e-3


def test_normals_do_not_depend_on_resolution():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 65), torch.linspace(-1, 1, 65), indexing="ij")
    dome = (1 - x**2 - y**2).clamp(min=0)[None, None]
    small, large = normals(dome, smooth=0), normals(torch.nn.functional.interpolate(dome, (129, 129), mode="bilinear", align_corners=True), smooth=0)
    assert (small[..., 20:45, 20:45] - large[..., ::2, ::2][..., 20:45, 20:45]).abs().max() < 0.02


def test_the_background_is_flat():
    depth = torch.linspace(0, 1, 60).expand(1, 1, 60, 60)
    made = normals(depth, background=0.5, smooth=0)[0]
    assert (made[:, :, :29] == torch.tensor([0.5, 0.5, 1.0])[:, None, None]).all() and (made[0, :, 31:-1] > 0.6).all()
    assert torch.equal(normals(depth, strength=0)[0], torch.tensor([0.5, 0.5, 1.0])[:, None, None].expand(3, 60, 60))
