"""Progress and numbers of steps: what sigma means for an edit, also between two steps of the schedule."""
from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from math import exp, log

import pytest
from concord.processors.attention.prompt_to_prompt import CopyLayout
from concord.processors.edit import Stage
from concord.processors.run import Run
from concord.processors.schedule import Progress
from concord.tests.engine.edits_self import Sharpen
from concord.tests.engine.toy import batch, step_of

SIGMAS = (14.0, 7.0, 3.0, 1.0, 0.0)
LOW, HIGH = log(0.03), log(14.6)


def percent_to_sigma(percent: float) -> float:
    """A host's: falling, log-linear, and beyond every schedule at its ends."""
    return 999999999.9 if percent <= 0 else 0.0 if percent >= 1 else exp(HIGH + (LOW - HIGH) * percent)


@pytest.mark.parametrize("percent", (0.001, 0.01, 0.1, 1 / 3, 0.5, 0.77, 0.99, 0.999))
def test_progress_is_the_inverse_of_the_hosts_percents(percent):
    assert Progress(percent_to_sigma)(percent_to_sigma(percent)) == pytest.approx(percent, abs=1e-9)


def test_progress_between_and_beyond_the_knots():
    curve = lambda percent: 20 * (1 - percent) ** 3 + 0.01  # not log-linear
    progress = Progress(curve)
    asked = [i / 317 for i in range(318)]
    assert [progress(curve(p)) for p in asked] == pytest.approx(asked, abs=1e-4)  # a tenth of the way between two knots
    assert (progress(1e9), progress(20.01), progress(0.001), progress(0.0)) == (0.0, 0.0, 1.0, 1.0)


def test_progress_never_falls():
    progress = Progress(percent_to_sigma)
    seen = [progress(20 * 0.97**i) for i in range(300)]
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 1


def test_the_host_is_asked_only_for_what_a_bisection_looks_at_and_once():
    asked = []
    progress = Progress(lambda percent: asked.append(percent) or percent_to_sigma(percent))
    assert not asked
    progress(3.0), progress(2.0), progress(3.0)
    assert 10 <= len(asked) <= 20 and len(set(asked)) == len(asked)


def test_a_bisection_finds_what_a_whole_table_has():
    edge, steps = Progress.EDGE, Progress.STEPS
    for host in (percent_to_sigma, lambda percent: round(percent_to_sigma(percent), 2) + 1e-3):  # the second stands still for many knots
        table = [-log(host(min(max(i / steps, edge), 1 - edge))) for i in range(steps + 1)]

        def looked_up(sigma, table=table):
            i = bisect_left(table, -log(sigma))
            return 0.0 if i == 0 else 1.0 if i > steps else (i - 1 + (-log(sigma) - table[i - 1]) / (table[i] - table[i - 1])) / steps

        asked = [20 * 0.98**i for i in range(400)] + [host(i / 50) for i in range(1, 50)]
        progress = Progress(host)
        assert [progress(sigma) for sigma in asked] == [looked_up(sigma) for sigma in asked]


@pytest.mark.parametrize(("sigma", "number"), [(14.0, 0), (7.0, 1), (3.0, 2), (1.0, 3), (20.0, 0), (0.0, 3), (6.9, 1), (4.0, 2), (10.6, 0), (0.4, 3)])
def test_a_sigma_belongs_to_the_nearest_step(sigma, number):
    assert Run(sigmas=SIGMAS).step(sigma, ()).number == number


@pytest.mark.parametrize("sigmas", [(), (3.0,), (3.0, 0.0)])
def test_short_schedules_have_one_step(sigmas):
    assert Run(sigmas=sigmas).step(3.0, ()).number == 0


def test_a_step_knows_its_run():
    run = Run(sigmas=SIGMAS, progress_of=Progress(percent_to_sigma), calls=5)
    step = run.step(3.0, batch(1))
    assert (step.run, step.call, step.sigma, step.rows) == (run, 5, 3.0, batch(1))
    assert percent_to_sigma(step.progress) == pytest.approx(3.0)


@pytest.mark.parametrize(("window", "acts"), [((0, 1), (0, 1, 2, 3, 4)), ((0.25, 0.75), (1, 2)), ((0.5, 1), (2, 3, 4)), ((0, 0.5), (0, 1)), ((0.5, 0.5), ())])
def test_windows_are_half_open_and_closed_at_the_end(window, acts):
    edit = Sharpen(window=window)
    steps = [step_of(batch(1), [edit], number) for number in range(5)]
    assert tuple(step.number for step in steps if step.run.program.at(Stage.ATTENTION, step)) == acts


def test_another_row_table_is_asked_anew():
    """Who is meant is found once per call, and never kept for another."""
    edit = CopyLayout(fraction=1.0)
    step = step_of(batch(4), [edit])
    assert step.where(edit) == (2,) and step.givers("source", (2,)) == (1,)
    other = replace(step, rows=tuple(reversed(step.rows)))
    assert other.where(edit) == (5,) and other.givers("source", (5,)) == (6,)


def test_a_run_computes_once():
    run, made = Run(), []
    for _ in range(3):
        assert run.once("key", lambda: made.append(0) or "value") == "value"
    assert len(made) == 1 and Run().memory == {}
