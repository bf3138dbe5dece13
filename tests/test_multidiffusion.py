"""MultiDiffusion: windows cover every canvas, and blend as the papers say."""
from __future__ import annotations

from random import Random

import pytest
import torch
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.prediction.multidiffusion import Windows, multidiffusion
from concord.processors.rows import View
from concord.processors.run import Run
from concord.processors.strips import fuse
from concord.processors.views import views_of
from concord.tests.windows import by_window
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
    turned = fuse(step, views_of(step, (8, 40)), x.roll(12, -1), by_window(model))[0]
    assert torch.allclose(turned, fuse(step, views_of(step, (8, 40)), x, by_window(model))[0].roll(12, -1), atol=1e-12)


@pytest.mark.parametrize(("canvas", "size", "stride", "wrap"), list(cases()))
def test_a_grid_that_moves_covers_everything_in_every_step(canvas, size, stride, wrap):
    windows, _ = multidiffusion(size, stride, wrap=wrap, jitter=5)
    for number in range(4):
        views = windows.views(canvas, number)
        assert counted(views, canvas).min() >= 1 and len(set(views)) == len(views)
        assert {(view.h, view.w) for view in views} == {(min(size[0], canvas[0]), min(size[1], canvas[1]))}


def test_a_moved_grid_is_the_same_for_the_same_seed_and_step_and_keeps_the_edges():
    grids = lambda seed: [multidiffusion((64, 64), (16, 16), jitter=seed)[0].views((64, 200), number) for number in range(6)]
    assert grids(1) == grids(1) != grids(2)
    assert len(set(grids(1))) > 3
    for views in grids(1):
        starts = [view.x for view in views]
        assert starts[0] == 0 and starts[-1] == 136 and all(0 < b - a <= 16 for a, b in zip(starts, starts[1:], strict=False))
    assert [view.x for view in multidiffusion((64, 64), (16, 16), jitter=1)[0].views((64, 200), 0)] == [0, *range(14, 136, 16), 136]  # in every host


@pytest.mark.parametrize(("size", "stride"), [((8, 8), (9, 8)), ((8, 8), (8, 9)), ((8, 8), (0, 4)), ((0, 8), (1, 1))])
def test_gaps_are_refused(size, stride):
    with pytest.raises(ConcordError, match="leave gaps; the stride must be 1 to the window's size"):
        multidiffusion(size, stride)


def test_an_unknown_fusion_is_refused():
    with pytest.raises(ConcordError, match="unknown fusion 'median'; there are uniform, gaussian, cosine, linear"):
        multidiffusion((8, 8), (4, 4), "median")


def test_outside_of_its_steps_the_canvas_is_run_as_one():
    program = Program.of(multidiffusion((8, 8), (4, 4), window=(0.5, 1.0)))
    run = Run(program, progress_of=lambda sigma: 1 - sigma)
    assert views_of(run.step(0.9, ()), (16, 16)) == () and len(views_of(run.step(0.3, ()), (16, 16))) == 9
