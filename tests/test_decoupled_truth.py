"""DecoupledCrossAttn: every row has the numbers of IP-Adapter's formula, in whatever call, order and company it comes."""
from __future__ import annotations

from itertools import permutations

import pytest
import torch
from concord.processors.edit import Program
from concord.processors.run import Run
from concord.tests.engine.toy import far

from .decoupled_formula import NEGATIVE, NUMBER, ROWS, SETTINGS, SOME, TOKENS, edit, ours, site, truth

each_setting = pytest.mark.parametrize("name", SETTINGS)


@pytest.mark.parametrize("rows", (ROWS, SOME), ids=("joint", "mixed"))
@each_setting
def test_every_row_is_the_formula(name, rows):
    for index in NUMBER:
        expected = torch.stack([truth(edit(name), row, site(index)) for row in rows])
        assert far(ours(edit(name), rows=rows, at=site(index)), expected) < 1e-10, index


@each_setting
def test_a_second_step_and_a_second_call_of_a_run_are_the_formula_too(name):
    run = Run(Program.of([edit(name)]), 4, progress_of=lambda sigma: 1 - sigma)
    for sigma, rows in ((0.9, ROWS), (0.4, ROWS), (0.4, SOME), (0.9, ROWS[4:]), (0.1, ROWS)):
        assert far(ours(rows=rows, sigma=sigma, run=run), torch.stack([truth(edit(name), row, site(), 1 - sigma) for row in rows])) < 1e-10


@each_setting
def test_rows_in_calls_of_their_own_and_in_any_order_are_the_same(name):
    together = dict(zip(ROWS, ours(edit(name)), strict=True))
    for order in (ROWS[:4], ROWS[4:], ROWS[::-1], (*ROWS[1::2], *ROWS[::2]), *((row,) for row in ROWS)):
        assert far(ours(edit(name), rows=order), torch.stack([together[row] for row in order])) < 1e-12


def test_adapters_add_up_in_any_order_to_the_bit():
    edits = [edit(), edit("a longer negative", 0.3), edit("a mask", -0.5), edit()]
    first, *others = (ours(*order) for order in permutations(edits))
    assert all(torch.equal(first, other) for other in others)
    expected = []
    for row in ROWS:
        out = None
        for one in edits:
            out = truth(one, row, site(), out=out)
        expected.append(out)
    assert far(first, torch.stack(expected)) < 1e-10


def test_the_order_of_tokens_does_not_count():
    shuffled = {"tokens": TOKENS[:, [2, 0, 3, 1]], "negative": NEGATIVE[:, [3, 2, 1, 0]]}
    assert far(ours(edit()), ours(edit(**shuffled))) < 1e-12
    assert edit().id != edit(**shuffled).id
