"""Windows of the canvas: what they see, where it goes back, and how predictions become one."""
from __future__ import annotations

from random import Random

import pytest
import torch
from concord.processors.edit import Program
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.rows import View
from concord.processors.run import Run, Step
from concord.processors.strips import fuse
from concord.processors.views import views_of
from concord.tests.engine.toy import far, noise
from concord.tests.windows import by_window

CANVAS = (10, 14)
RANDOM = Random(0)
VIEWS = [View(0, 0, *CANVAS, CANVAS), View(3, 4, 7, 10, CANVAS), View(8, 0, 6, 14, CANVAS), View(0, 11, 10, 9, CANVAS), View(9, 13, 10, 14, CANVAS)]
VIEWS += [View(RANDOM.randrange(10), RANDOM.randrange(14), RANDOM.randint(1, 10), RANDOM.randint(1, 14), CANVAS) for _ in range(20)]
each_view = pytest.mark.parametrize("view", VIEWS, ids=lambda view: "-".join(map(str, view[:4])))


def step_with(*edits) -> Step:
    return Run(Program.of(edits)).step(1.0, ())


@each_view
def test_what_is_seen_is_what_lies_there(view):
    t = noise(1, 2, *CANVAS)
    seen = view.crop(t)
    assert seen.shape == (2, view.h, view.w)
    for y in range(view.h):
        for x in range(view.w):
            assert torch.equal(seen[:, y, x], t[:, (view.y + y) % 10, (view.x + x) % 14])


@each_view
def test_adding_is_the_adjoint_of_seeing(view):
    """<crop a, b> = <a, add b>: every cell goes back to where it came from."""
    a, b, back = noise(1, 2, *CANVAS), noise(2, 2, view.h, view.w), torch.zeros(2, *CANVAS, dtype=torch.float64)
    view.add(back, b)
    assert (view.crop(a) * b).sum().item() == pytest.approx((a * back).sum().item(), abs=1e-10)


@each_view
def test_seeing_writes_nothing_and_adding_adds(view):
    canvas, patch = noise(1, *CANVAS), noise(2, view.h, view.w)
    before = canvas.clone()
    seen = view.crop(canvas).clone()
    assert torch.equal(canvas, before)
    view.add(canvas, patch)
    assert far(view.crop(canvas), seen + patch) < 1e-12


def test_a_window_of_a_window():
    outer, t = View(3, 4, 6, 8, CANVAS), noise(1, *CANVAS)
    assert torch.equal(outer.within(2, 3, 4, 5).crop(t), outer.crop(t)[2:6, 3:8])
    around = View(8, 12, 6, 8, CANVAS)
    assert torch.equal(around.within(3, 4, 3, 4).crop(t), around.crop(t)[3:6, 4:8])


def test_whole_and_wrapping():
    assert View(0, 0, 10, 14, CANVAS).whole and not View(0, 0, 10, 13, CANVAS).whole
    assert View(5, 0, 6, 14, CANVAS).wraps and not View(4, 0, 6, 14, CANVAS).wraps


def test_one_window_over_the_canvas_is_none():
    assert views_of(step_with(*multidiffusion((64, 64), (8, 8))), CANVAS) == ()
    assert views_of(step_with(), CANVAS) == ()
    assert len(views_of(step_with(*multidiffusion((10, 8), (10, 6))), CANVAS)) == 2


FUSIONS = {"uniform": multidiffusion((6, 8), (3, 4)), "gaussian": multidiffusion((6, 8), (3, 4), "gaussian"),
           "around": multidiffusion((6, 8), (4, 3), "gaussian", (True, True))}
each_fusion = pytest.mark.parametrize("edits", FUSIONS.values(), ids=FUSIONS)
X = noise(3, 2, 4, *CANVAS)


@each_fusion
def test_windows_that_agree_give_what_they_agree_on(edits):
    step = step_with(*edits)
    positive, negative = fuse(step, views_of(step, CANVAS), X, by_window(lambda view, crop: (crop * 3 + 1, torch.full_like(crop, 0.5))))
    assert far(positive, X * 3 + 1) < 1e-12 and far(negative, torch.full_like(X, 0.5)) < 1e-12


@each_fusion
def test_averaging_predictions_is_averaging_steps(edits):
    """A step is affine in x and the prediction, and all windows start from one x (MultiDiffusion, section 4)."""
    step = step_with(*edits)
    views = views_of(step, CANVAS)
    said = {view: noise(i, 2, 4, view.h, view.w) for i, view in enumerate(views)}
    (predicted,) = fuse(step, views, X, by_window(lambda view, crop: (said[view],)))
    (stepped,) = fuse(step, views, X, by_window(lambda view, crop: (0.9 * crop - 0.3 * said[view],)))
    assert far(stepped, 0.9 * X - 0.3 * predicted) < 1e-12


def test_uniform_fusion_is_the_mean_over_windows():
    step = step_with(*FUSIONS["uniform"])
    views = views_of(step, CANVAS)
    (got,) = fuse(step, views, X, by_window(lambda view, crop: (torch.full_like(crop, float(views.index(view))),)))
    for y, x in ((0, 0), (4, 5), (9, 13), (3, 8)):
        over = [i for i, view in enumerate(views) if view.y <= y < view.y + view.h and view.x <= x < view.x + view.w]
        assert got[0, 0, y, x].item() == pytest.approx(sum(over) / len(over))


def test_windows_without_fusion_count_alike():
    windows, _ = FUSIONS["gaussian"]
    alone, uniform = step_with(windows), step_with(*FUSIONS["uniform"])
    views = views_of(alone, CANVAS)
    predict = by_window(lambda view, crop: (noise(views.index(view), *crop.shape),))
    assert torch.equal(fuse(alone, views, X, predict)[0], fuse(uniform, views, X, predict)[0])
