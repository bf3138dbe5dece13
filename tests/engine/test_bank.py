"""Givers that ran in an earlier call are borrowed as they were at every sub-order: the same as if they were here."""
from __future__ import annotations

import pytest
from concord.processors.errors import ConcordError
from concord.processors.rows import Lanes
from concord.processors.run import Run
from concord.tests.engine.table import edits, program
from concord.tests.engine.toy import batch, far, picture

NAMES = ("style", "selfcopy", "replace", "reweight", "regions", "paint", "adapter", "frames")
GIVERS = frozenset({"reference", "source"})
CALLS = (("reference",), ("source",), ("target", "frame", "plain"))


def in_three_calls(names, rows, roles: Lanes | None = None):
    """(places of the rows, what they become) of each call; givers first."""
    run = Run(program(names, 8) if roles is None else program(names, 1).add((), roles), keep=GIVERS)
    for call in CALLS:
        at = [i for i, row in enumerate(rows) if row.lane in call]
        yield at, picture((), [rows[i] for i in at], run=run)


@pytest.mark.parametrize("names", [("style",), ("masked", "style"), ("styleid", "mixed"), NAMES], ids="+".join)
def test_borrowed_givers_equal_live_ones(names):
    rows = batch(8)
    live = picture(edits(names), rows)
    for at, out in in_three_calls(names, rows):
        assert far(out, live[at]) < 1e-12


def test_givers_here_and_givers_recorded_in_one_call():
    rows, run = batch(8), Run(program(NAMES, 8), keep=GIVERS)
    first = [i for i, row in enumerate(rows) if row.group == 1 and row.lane in GIVERS]
    rest = [i for i in range(len(rows)) if i not in first]
    live = picture(edits(NAMES), rows)
    for at in (first, rest):
        assert far(picture((), [rows[i] for i in at], run=run), live[at]) < 1e-12


def test_two_runs_side_by_side_do_not_meet():
    rows, calls = batch(8), (GIVERS, {"target", "frame", "plain"})
    runs = [Run(program(names, 8), keep=GIVERS) for names in (NAMES, ("style", "masactrl"))]
    live = [picture(run.program, rows) for run in runs]
    for lanes_of_call in calls:
        at = [i for i, row in enumerate(rows) if row.lane in lanes_of_call]
        for run, whole in zip(runs, live, strict=True):
            assert far(picture((), [rows[i] for i in at], run=run), whole[at]) < 1e-12


def test_one_recorded_giver_serves_several_groups_and_takers():
    roles = Lanes(((0, "reference", 0), (1, "source", 0), *((i, "target", i % 2) for i in range(2, 6))))
    rows = roles.rows([("positive", 0, None, None), ("negative", 0, None, None)], 6)
    names = ("style", "masactrl", "replace", "adapter")
    live = picture(program(names, 1).add((), roles), rows)
    for at, out in in_three_calls(names, rows, roles):
        assert far(out, live[at]) < 1e-12


def test_a_giver_of_another_prediction_is_not_borrowed():
    run = Run(program(("style",), 4), keep=GIVERS)
    rows = batch(4)
    picture((), [row for row in rows if row.lane == "reference"], run=run)
    run.calls = 1  # the sampler asks again
    with pytest.raises(ConcordError, match="none was recorded before it"):
        picture((), [row for row in rows if row.lane == "target"], run=run)


def test_a_giver_of_another_branch_is_not_borrowed():
    run = Run(program(("style",), 4), keep=GIVERS)
    picture((), [row for row in batch(4, ("positive",)) if row.lane == "reference"], run=run)
    with pytest.raises(ConcordError, match="in this negative call"):
        picture((), [row for row in batch(4, ("negative",)) if row.lane == "target"], run=run)


def test_what_was_recorded_is_dropped_with_its_prediction():
    """A run of fifty steps must not hold the keys of fifty steps."""
    run = Run(program(("style",), 4), keep=GIVERS)
    sizes = []
    for call in range(3):
        run.calls = call
        picture((), batch(4), run=run)
        sizes.append((len(run.memory), len(run.bank(call))))
    assert sizes[0] == sizes[1] == sizes[2]


def test_nothing_is_recorded_unless_asked():
    run = Run(program(("style",), 4))
    picture((), batch(4), run=run)
    assert not any("bank" in str(key) for key in run.memory)
