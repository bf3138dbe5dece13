"""The engine equals the naive reading of the maths: every technique, every pair, chains of up to ten, batches of one, four and eight images."""
from __future__ import annotations

from itertools import combinations

import pytest
from concord.processors.errors import ConcordError
from concord.tests.engine.table import CLASHES, EVERYTHING, TABLE, composes, edits, truth
from concord.tests.engine.toy import Toy, batch, far, picture, step_of

PAIRS = [pair for pair in combinations(TABLE, 2) if composes(pair)]
CHAINS = [("style", "replace", "selfcopy", "adapter"), ("masactrl", "mixed", "style", "refine", "reweight", "paint"),
          ("style", "masked", "replace", "reweight", "adapter", "adapter2", "regions", "paint"),
          ("styleid", "style", "mixed", "frames", "refine", "regions", "adapter", "paint"), EVERYTHING]


@pytest.mark.parametrize("samples", (4, 8))
@pytest.mark.parametrize("names", [(name,) for name in TABLE] + PAIRS + CHAINS, ids="+".join)
def test_the_engine_equals_the_truth(names, samples):
    rows = batch(samples)
    assert far(picture(edits(names), rows), truth(names, rows)) < 1e-10


@pytest.mark.parametrize("name", TABLE)
def test_every_technique_changes_something(name):
    rows = batch(4)
    assert far(picture(edits([name]), rows), picture((), rows)) > 1e-3


@pytest.mark.parametrize("number", (0, 2, 3))
@pytest.mark.parametrize("name", ("replace", "refine"))
def test_copies_follow_their_table_of_steps(name, number):
    rows = batch(4)
    assert far(picture(edits([name]), rows, number), truth([name], rows, number)) < 1e-10


def test_copies_stop_where_their_table_is_zero():
    rows = batch(4)
    assert far(picture(edits(["replace"]), rows, 2), picture((), rows, 2)) == 0


LONELY = [name for name in TABLE if TABLE[name].lonely]


@pytest.mark.parametrize("names", [(name,) for name in LONELY] + [tuple(LONELY)], ids="+".join)
def test_one_plain_image(names):
    rows = batch(1)
    assert far(picture(edits(names), rows), truth(names, rows)) < 1e-10


def test_a_target_with_the_prompt_and_noise_of_its_source_becomes_it():
    rows = batch(4, ("positive",))
    twin = tuple(row._replace(sample=1) if row.lane == "target" else row for row in rows)
    out = picture(edits(("selfcopy", "adapter", "regions", "paint")), twin)
    assert far(out[2], out[1]) < 1e-12


@pytest.mark.parametrize("names", CLASHES, ids=lambda names: "+".join(sorted(names)))
def test_what_cannot_compose_is_refused(names):
    step = step_of(batch(4), edits(sorted(names)))
    with pytest.raises(ConcordError):
        step.run.program.check(Toy().sites(), [step])


def test_what_composes_is_not_refused():
    for names in PAIRS + CHAINS:
        step = step_of(batch(4), edits(names))
        step.run.program.check(Toy().sites(), [step])
