"""Edges, details, strokes: known pictures with known answers."""
from __future__ import annotations

from functools import partial

import torch
from concord.processors.images.canny import canny
from concord.processors.images.connected import areas, larger, touching
from concord.processors.images.gradients import sobel, thickened
from concord.processors.images.high_frequency import high_frequency
from concord.processors.images.scribble import outlines, scribble
from concord.processors.images.sobel import sobel_map
from torch.nn.functional import interpolate

from .hint_makers import scene, square


def test_canny_of_a_square_is_its_outline():
    """Of the two pixels at each step the left or upper one stays, and corners are cut, as OpenCV 5.0 does it."""
    expected = torch.zeros(64, 64)
    expected[15, 17:47] = expected[17:47, 15] = expected[16:47, 47] = expected[47, 16:48] = expected[16, 16] = 1
    assert torch.equal(canny(square())[0, 0], expected)


def test_canny_thresholds_are_of_8_bit_slopes():
    """A step of n grey levels has a slope of 4 n: 25 levels reach 100, and only more than a threshold counts."""
    step = torch.zeros(1, 1, 16, 16)
    step[..., 8:] = 25 / 255
    assert canny(step, 99, 99).sum() == 16 and not canny(step, 100, 100).any()
    assert torch.equal(canny(step, 150, 50), canny(step, 50, 150))


def test_canny_keeps_weak_edges_that_hang_on_strong_ones():
    """A step that fades from 60 to 15 levels, and one of 15 that touches nothing."""
    step = torch.zeros(1, 1, 40, 60)
    step[..., 20:] = torch.linspace(60, 15, 40)[:, None] / 255
    assert canny(step, 50, 200)[0, 0].sum() == 40
    step[..., 40:] += 15 / 255
    assert canny(step, 50, 200)[..., :30].sum() == 40 and not canny(step, 50, 200)[..., 30:].any()
    assert canny(step, 50, 50)[0, 0, :, 39].all()


def test_canny_sees_colours_of_equal_brightness():
    picture = torch.zeros(1, 3, 16, 16)
    picture[:, 0, :, :8], picture[:, 1, :, 8:] = 0.587, 0.299
    assert canny(picture).sum() == 16


def test_areas_touch_by_corners_and_do_not_go_round_the_edge():
    mask = torch.tensor([[[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]], [[0, 0, 0, 0]] * 4]).bool()
    places, area = areas(mask)
    assert places.tolist() == [0, 3, 5, 12, 15] and area.tolist() == [0, 1, 0, 3, 4]
    assert larger(mask, 2).flatten().nonzero().flatten().tolist() == [0, 5]
    strong = torch.zeros_like(mask)
    strong[0, 1, 1] = True
    assert touching(mask, strong).sum() == 2 and not touching(strong, strong & False).any()


def test_areas_along_a_long_way():
    """A spiral of one pixel's width is one area, however long."""
    mask, y, x, down, right = torch.zeros(1, 61, 61, dtype=torch.bool), 0, -1, 0, 1
    for side in [length for length in range(61, 0, -2) for _ in range(2)]:
        for _ in range(side if side < 61 or right else side - 1):
            y, x = min(max(y + down, 0), 60), min(max(x + right, 0), 60)
            mask[0, y, x] = True
        down, right = right, -down
    assert areas(mask)[1].unique().numel() == 1 and mask.sum() > 900


def test_sobel_of_a_slope():
    slope = torch.arange(20.0).expand(1, 1, 10, 20) + 3 * torch.arange(10.0)[:, None]
    right, down = sobel(slope)
    assert (right[..., 1:-1] == 8).all() and (down[..., 1:-1, :] == 24).all()
    assert sobel_map(square())[0, 0, 30, 16] == 1 and sobel_map(square(), gain=0.5)[0, 0, 30, 15] == 0.5


def test_high_frequency_keeps_colours_at_edges_only():
    picture = square() * torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)
    made = high_frequency(picture)[0]
    assert made[:, 30, 16].tolist() == [0.5, 0.25, 0] and not made[:, 20:44, 20:44].any()
    assert not high_frequency(0.02 * picture).any() and high_frequency(0.02 * picture, threshold=5).any()


def test_scribbles_are_few_thick_and_smooth():
    strokes = scribble(outlines(square(96, 96)), thickness=4)[0, 0]
    for side in (strokes[32, 4:28], strokes[4:28, 32]):
        assert 3 <= side.sum() <= 6, "a stroke of about 4 pixels across each side"
    assert strokes[32, 14:18].any() and not strokes[24:40, 24:40].any() and strokes.unique().numel() == 2
    thick = scribble(outlines(square(96, 96)), thickness=8)
    assert 1.5 < thick.sum() / strokes.sum() < 3
    assert not scribble(outlines(square(96, 96)), shortest=1000).any()


def test_scribbles_of_a_picture_twice_as_large_are_twice_as_large():
    """With lengths doubled, as the help page advises for 1024 pixels."""
    image = scene(1, 128, 160)
    enlarge = partial(interpolate, scale_factor=2, mode="bicubic")
    small, large = scribble(outlines(image)), scribble(outlines(enlarge(image), 4.0), 4.0, thickness=8.0, shortest=64)
    both, either = ((enlarge(small) > 0.5) & (large > 0)).sum(), ((enlarge(small) > 0.5) | (large > 0)).sum()
    assert both > 0.75 * either and small.mean() > 0.05


def test_a_slanted_stroke_that_fades_is_one_stroke():
    """Its top falls along the way, which must not break it into pieces."""
    down, right = torch.meshgrid(torch.arange(200.0), torch.arange(200.0), indexing="ij")
    ridge = torch.exp(-((down - 30 - 0.4 * right) ** 2) / 50) * (1 - right / 250)
    stroke = scribble(ridge[None, None], smoothness=4, threshold=0.25, thickness=2, shortest=100) > 0
    places, area = areas(stroke[:, 0])
    assert area.unique().numel() == 1 and 150 < places.remainder(200).unique().numel()


def test_thickened_lines_have_their_width():
    line = torch.zeros(1, 1, 9, 9)
    line[..., 4, :] = 1
    assert [int(thickened(line, width)[0, 0, :, 4].sum()) for width in (1, 2, 3, 4)] == [1, 2, 3, 4]


def test_grain_gives_fewer_strokes_than_edges():
    image = scene(1, 128, 128)
    assert 0.01 < scribble(outlines(image)).mean() < 0.35 and canny(image).mean() > 0
