"""How windows blend: each fusion is what its paper or its name says, and neighbours are one together."""
from __future__ import annotations

from math import exp

import pytest
import torch
from concord.processors.prediction.fusion import FEATHERED, Fusion, ramp
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.rows import View


def test_gaussian_weights_are_those_of_mixture_of_diffusers():
    """exp(-(x - middle)^2 / (2 * 0.01 * width^2)), which the paper also divides by a constant that cancels; far from the middle a floor keeps cells alive."""
    weight = Fusion(kind="gaussian").weight(View(0, 0, 8, 12, (16, 16)))
    assert weight.shape == (8, 12)
    assert weight[3, 5].item() == pytest.approx(exp(-(0.5**2) / (0.02 * 64)) * exp(-(0.5**2) / (0.02 * 144)), rel=1e-5)
    assert torch.equal(weight, weight.flip(0).flip(1)) and weight.min() >= 1e-6


def test_uniform_weights_are_one():
    assert (Fusion().weight(View(0, 0, 3, 5, (9, 9))) == 1).all()


@pytest.mark.parametrize("kind", FEATHERED)
def test_ramps_of_neighbours_are_one_together(kind):
    for n in range(1, 20):
        rise = ramp(n, kind)
        assert rise.min() > 0 and (rise.diff() > 0).all()
        assert torch.allclose(rise + rise.flip(0), torch.ones(n), atol=1e-6)


def test_a_cosine_begins_and_ends_level():
    straight, cosine = ramp(31, "linear"), ramp(31, "cosine")
    assert cosine[15].item() == pytest.approx(0.5) and straight[15].item() == pytest.approx(0.5)
    assert cosine.diff()[0] < straight.diff()[0] / 4 and cosine.diff()[15] > 1.4 * straight.diff()[15]


@pytest.mark.parametrize("kind", FEATHERED)
def test_windows_rise_over_their_overlap_and_not_from_the_canvas_edge(kind):
    _, fusion = multidiffusion((8, 16), (8, 10), kind)
    left, middle, right = (fusion.weight(View(0, x, 8, 16, (8, 36))) for x in (0, 10, 20))
    assert torch.equal(left[:, :10], torch.ones(8, 10)) and torch.equal(right[:, 6:], torch.ones(8, 10))
    assert torch.equal(middle, middle.flip(1)) and torch.equal(middle[:, 6:10], torch.ones(8, 4))
    total = torch.zeros(8, 36)
    for x, weight in ((0, left), (10, middle), (20, right)):
        total[:, x : x + 16] += weight
    assert torch.allclose(total, torch.ones(8, 36), atol=1e-6)


@pytest.mark.parametrize("kind", FEATHERED)
def test_where_the_picture_goes_on_over_the_edge_it_is_no_edge(kind):
    _, fusion = multidiffusion((8, 16), (8, 10), kind, (False, True))
    weight = fusion.weight(View(0, 0, 8, 16, (8, 40)))
    assert torch.equal(weight, weight.flip(1)) and weight[0, 0] < 0.2
    assert torch.equal(fusion.weight(View(0, 0, 8, 16, (8, 16))), torch.ones(8, 16))  # one window over the whole line


def test_a_width_of_its_own_reaches_half_a_window_at_most():
    narrow = multidiffusion((16, 16), (8, 8), "linear", feather=(2, 3))[1].weight(View(8, 8, 16, 16, (64, 64)))
    assert (narrow[8] < 1).sum() == 6 and (narrow[:, 8] < 1).sum() == 4
    wide = multidiffusion((16, 16), (1, 1), "linear", feather=(90, 90))[1].weight(View(8, 8, 16, 16, (64, 64)))
    assert (wide[7] < 1).all() and wide.min() > 0
