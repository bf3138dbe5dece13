"""Straight lines: where they are, how long, what is no line."""
from __future__ import annotations

import math

import pytest
import torch
from concord.processors.images.canny import canny
from concord.processors.images.gradients import blurred
from concord.processors.images.hough_lines import LineSettings, edges_and_angles, hough_lines, segments

from .hint_makers import bar, square


def found(image: torch.Tensor, settings: LineSettings | None = None) -> list[tuple[float, float, float]]:
    """(degrees clockwise from level, length, distance of its middle from the picture's) of every segment."""
    settings = settings or LineSettings()
    y, x = image.shape[-2:]
    edges, angles = edges_and_angles(image, settings.contrast)
    lines = segments(edges[0], angles[0], settings).tolist()
    middle = lambda ax, ay, bx, by: math.hypot((ax + bx) / 2 - (x - 1) / 2, (ay + by) / 2 - (y - 1) / 2)
    return [(math.degrees(math.atan2(by - ay, bx - ax)) % 180, math.hypot(bx - ax, by - ay), middle(ax, ay, bx, by)) for ax, ay, bx, by in lines]


@pytest.mark.parametrize("degrees", [0, 1, 17, 45, 72.5, 90, 91, 133, 179])
def test_both_edges_of_a_bar_at_any_angle(degrees):
    lines = found(bar(degrees))
    assert len(lines) == 2
    for turned, length, aside in lines:
        assert min(abs(turned - degrees), 180 - abs(turned - degrees)) < 0.5 and 130 <= length <= 142 and 1 <= aside <= 4


def test_lines_between_colours_of_equal_brightness():
    colours = bar(72.5) * torch.tensor([0.587, -0.299, 0.0]).view(1, 3, 1, 1) + torch.tensor([0.2, 0.5, 0.2]).view(1, 3, 1, 1)
    assert len(found(colours)) == 2


def test_a_square_has_four_lines():
    lines = sorted(found(square(), LineSettings(length=20)))
    assert len(lines) == 4 and all(min(turned % 90, 90 - turned % 90) < 1 and 25 <= length <= 36 for turned, length, _ in lines)


def test_lines_are_drawn_where_the_edges_are():
    image = bar(30)
    drawn = hough_lines(image)[0, 0] > 0
    near = blurred(canny(image), 1.0)[0, 0] > 0.02
    assert drawn.sum() > 220 and (drawn & near).sum() >= 0.98 * drawn.sum()
    assert (hough_lines(image, width=3) > 0).sum() > 1.8 * drawn.sum()


def test_short_faint_and_curved_is_left_out():
    assert not found(bar(20, length=24)) and found(bar(20, length=24), LineSettings(length=15))
    assert not found(0.05 * bar(20)) and found(0.05 * bar(20), LineSettings(contrast=20))
    down, right = torch.meshgrid(torch.arange(201) - 100, torch.arange(201) - 100, indexing="ij")
    disc = (60.5 - torch.hypot(down.float(), right.float())).clamp(0, 1).expand(1, 3, -1, -1)
    assert max((length for _, length, _ in found(disc)), default=0) < 50


def test_gaps_are_closed_up_to_their_size():
    image = bar(0)
    image[..., 120:126] = 0
    assert len(found(image, LineSettings(gap=2))) == 4
    joined = found(image, LineSettings(gap=12))
    assert len(joined) == 2 and min(length for _, length, _ in joined) > 130


def test_grain_is_no_line():
    grain = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    assert hough_lines(grain).mean() < 0.01
