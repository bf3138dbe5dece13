"""Windows below one another as one picture: what lies where, how predictions come back, and what is kept of windows that move."""
from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from concord.processors.edit import Program
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.rows import View
from concord.processors.run import Run, Step
from concord.processors.strips import Slot, Strip, fuse
from concord.processors.views import SightEdit, views_of
from concord.tests.engine.toy import far, noise
from concord.tests.windows import by_window

CANVAS = (10, 14)
VIEWS = (View(0, 0, 6, 8, CANVAS), View(4, 6, 6, 8, CANVAS), View(7, 11, 6, 8, CANVAS))
X = noise(3, 2, 4, *CANVAS)


@dataclass(frozen=True, eq=False, kw_only=True)
class Shifted(SightEdit):
    """Rows with its mark see ten more, and the number of the view's row."""

    technique = "Shifted"

    def see(self, x, view, mark, step, samples):
        return x + (10 + view.y)


def step_with(*edits, **run) -> Step:
    return Run(Program.of(edits), **run).step(1.0, ())


def test_what_lies_where():
    strip = Strip(tuple(map(Slot, VIEWS)))
    laid = strip.lay(X)
    assert laid.shape[-2:] == strip.size == (18, 8) and strip.canvas == CANVAS
    for number, view in enumerate(VIEWS):
        assert torch.equal(strip.place(number).crop(laid), view.crop(X))


def test_conditionings_see_their_own_slots_or_everyones():
    strip = Strip((Slot(VIEWS[0]), Slot(VIEWS[0], "a"), Slot(VIEWS[1]), Slot(VIEWS[1], "a")))
    assert strip.of("a") == [(1, VIEWS[0]), (3, VIEWS[1])]
    assert strip.of("") == strip.of("of a technique that is over") == [(0, VIEWS[0]), (2, VIEWS[1])]


def test_sums_over_what_conditionings_see_of_one_window():
    strip = Strip((Slot(VIEWS[0]), Slot(VIEWS[0], "a"), Slot(VIEWS[1]), Slot(VIEWS[1], "a")))
    t = noise(4, 2, 1, *strip.size)
    parts = [strip.place(number).crop(t) for number in range(4)]
    assert far(strip.over_marks(t), torch.cat([parts[0] + parts[1]] * 2 + [parts[2] + parts[3]] * 2, -2)) < 1e-12


@pytest.mark.parametrize("per_call", [1, 2, 3, 4, 100])
def test_any_number_of_windows_at_once_gives_the_same(per_call):
    edits = lambda per_call: multidiffusion((6, 8), (3, 4), "gaussian", (False, True), per_call=per_call)
    asked = []

    def predict(strip, seen):
        asked.append(len(strip.slots))
        return by_window(lambda view, crop: (crop.cumsum(-1), crop.cumsum(-2)))(strip, seen)

    step = step_with(*edits(per_call))
    views = views_of(step, CANVAS)
    got = fuse(step, views, X, predict)
    assert max(asked) == min(per_call, len(views)) and sum(asked) == len(views)
    alone = step_with(*edits(1))
    for mine, theirs in zip(got, fuse(alone, views, X, by_window(lambda view, crop: (crop.cumsum(-1), crop.cumsum(-2)))), strict=True):
        assert torch.equal(mine, theirs)


def test_marked_rows_see_something_else_and_count_as_much_as_they_say():
    """Two conditionings with weights 1 and 3 on one canvas: a mean of what they predict, each from what it saw."""
    step = step_with(Shifted(marks=("a",)))
    views = views_of(step, CANVAS)
    assert views == (View(0, 0, *CANVAS, CANVAS),)

    def predict(strip, seen):
        assert [slot.mark for slot in strip.slots] == ["", "a"] and torch.equal(strip.place(1).crop(seen), X + 10)
        heard = torch.ones(2, 1, *strip.size, dtype=X.dtype)
        strip.place(1).crop(heard)[:] = 3
        return [(2 * seen, heard)]

    (got,) = fuse(step, views, X, predict)
    assert far(got, (2 * X + 3 * 2 * (X + 10)) / 4) < 1e-12


def test_where_nobody_is_heard_the_prediction_is_0():
    step = step_with(Shifted(marks=("a",)))
    (got,) = fuse(step, views_of(step, CANVAS), X, lambda strip, seen: [(seen, torch.zeros(2, 1, *strip.size, dtype=X.dtype))])
    assert torch.equal(got, torch.zeros_like(X))


def test_windows_and_sights_together():
    step = step_with(*multidiffusion((6, 8), (4, 6)), Shifted(marks=("a", "b")))
    views = views_of(step, CANVAS)
    seen_of = {}

    def predict(strip, seen):
        for number, slot in enumerate(strip.slots):
            seen_of[slot] = strip.place(number).crop(seen)
        return [(seen, torch.ones(2, 1, *strip.size, dtype=X.dtype))]

    fuse(step, views, X, predict)
    assert len(seen_of) == 3 * len(views)
    for slot, seen in seen_of.items():
        assert torch.equal(seen, slot.view.crop(X) + (10 + slot.view.y if slot.mark else 0))


def test_a_run_does_not_remember_windows_that_moved_on():
    run = Run(Program.of(multidiffusion((6, 8), (3, 4), jitter=1)), sigmas=tuple(range(30, -1, -1)))
    sizes = []
    for sigma in range(30, 0, -1):
        step = run.step(float(sigma), ())
        views = views_of(step, CANVAS)
        fuse(step, views, X, by_window(lambda view, crop, step=step: (step.once(("kept", (view, "mask")), crop.clone),)))
        step.once("for all", lambda: 1)
        sizes.append(len(run.memory))
        assert "for all" in run.memory
    assert max(sizes[10:]) <= max(sizes[:10]) + len(views_of(run.step(1.0, ()), CANVAS)) + 30
    kept = [key for key in run.memory if isinstance(key, tuple) and key[0] == "kept"]
    assert {key[1][0] for key in kept} == set(views)
