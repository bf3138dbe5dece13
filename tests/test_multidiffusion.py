"""MultiDiffusion: windows cover every canvas, and blend as the papers say."""
from __future__ import annotations

from math import exp
from random import Random

import pytest
import torch
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.prediction.multidiffusion import Fusion, Windows, multidiffusion
from concord.processors.rows import View
from concord.processors.run import Run
from concord.processors.views import fuse, views_of
from torch import Tensor


def cases(n: int = 60):
    """Random canvases, sizes and strides: odd ones, windows larger than the canvas, strides that do not fit."""
    random = Random(1)
    for _ in range(n):
        canvas = random.randint(1, 40), random.randint(1, 40)
        size = random.randint(1, 48), random.randint(1, 48)
        stride = random.randint(1, size[0]), random.randint(1, size[1])
        yield canvas, size, stride, (random.random() < 0.3, random.random() < 0.3)


def counted(views: tuple[View, ...], canvas: tuple[int, int]) -> Tensor:
    count = torch.zeros(canvas)
    for view in views:
        view.add(count, torch.ones(view.h, view.w))
    return count


@pytest.mark.parametrize(("canvas", "size", "stride", "wrap"), list(cases()))
def test_every_cell_is_covered_by_windows_of_one_size(canvas, size, stride, wrap):
    windows, _ = multidiffusion(size, stride, wrap=wrap)
    views = windows.views(canvas)
    assert counted(views, canvas).min() >= 1
    assert {(view.h, view.w) for view in views} == {(min(size[0], canvas[0]), min(size[1], canvas[1]))}
    assert len(set(views)) == len(views)


@pytest.mark.parametrize(("canvas", "size", "stride", "wrap"), list(cases()))
def test_the_last_window_ends_flush_with_the_edge(canvas, size, stride, wrap):
    views = Windows(size=size, stride=stride).views(canvas)
    assert max(view.y + view.h for view in views) == canvas[0] and max(view.x + view.w for view in views) == canvas[1]
    assert not any(view.wraps for view in views)


def test_windows_stand_a_stride_apart():
    assert [view[:4] for view in Windows(size=(64, 64), stride=(8, 32)).views((72, 150))] == [
        (y, x, 64, 64) for y in (0, 8) for x in (0, 32, 64, 86)]


def test_the_authors_windows():
    """get_views of the authors' repository: a canvas of 512 x 2048 pixels in windows of 64 every 8 gives 1 x 25."""
    views = multidiffusion((64, 64), (8, 8))[0].views((64, 256))
    assert [(view.y, view.x) for view in views] == [(0, 8 * i) for i in range(25)]


def test_around_the_edge_every_column_counts_alike():
    """A panorama of 360 degrees has no seam: with a stride that divides the width no column is special."""
    count = counted(Windows(size=(8, 16), stride=(8, 4), wrap=(False, True)).views((8, 40)), (8, 40))
    assert (count == 4).all()


def test_around_the_edge_a_turned_picture_turns_the_result():
    windows, fusion = multidiffusion((8, 16), (4, 4), "gaussian", (False, True))
    step = Run(Program.of((windows, fusion))).step(1.0, ())
    x = torch.randn(1, 2, 8, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = lambda view, crop: (crop.cumsum(-1).tanh(),)  # what a window says depends on where in it a cell lies
    turned = fuse(step, views_of(step, (8, 40)), x.roll(12, -1), model)[0]
    assert torch.allclose(turned, fuse(step, views_of(step, (8, 40)), x, model)[0].roll(12, -1), atol=1e-12)


def test_gaussian_weights_are_those_of_mixture_of_diffusers():
    """exp(-(x - middle)^2 / (2 * 0.01 * width^2)), which the paper also divides by a constant that cancels; far from the middle a floor keeps cells alive."""
    weight = Fusion(kind="gaussian").weight(View(0, 0, 8, 12, (16, 16)))
    assert weight.shape == (8, 12)
    assert weight[3, 5].item() == pytest.approx(exp(-(0.5**2) / (0.02 * 64)) * exp(-(0.5**2) / (0.02 * 144)), rel=1e-5)
    assert torch.equal(weight, weight.flip(0).flip(1)) and weight.min() >= 1e-6


def test_uniform_weights_are_one():
    assert (Fusion().weight(View(0, 0, 3, 5, (9, 9))) == 1).all()


@pytest.mark.parametrize(("size", "stride"), [((8, 8), (9, 8)), ((8, 8), (8, 9)), ((8, 8), (0, 4)), ((0, 8), (1, 1))])
def test_gaps_are_refused(size, stride):
    with pytest.raises(ConcordError, match="leave gaps; the stride must be 1 to the window's size"):
        multidiffusion(size, stride)


def test_an_unknown_fusion_is_refused():
    with pytest.raises(ConcordError, match="unknown fusion 'median'; there are uniform, gaussian"):
        multidiffusion((8, 8), (4, 4), "median")


def test_outside_of_its_steps_the_canvas_is_run_as_one():
    program = Program.of(multidiffusion((8, 8), (4, 4), window=(0.5, 1.0)))
    run = Run(program, progress_of=lambda sigma: 1 - sigma)
    assert views_of(run.step(0.9, ()), (16, 16)) == () and len(views_of(run.step(0.3, ()), (16, 16))) == 9
