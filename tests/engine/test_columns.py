"""Probes: selected columns of the probabilities as the values see them, without writing out the matrix."""
from __future__ import annotations

from math import sqrt

import pytest
import torch
from concord.processors.errors import ConcordError
from concord.processors.program import Group, Plan, Segment, Term, columns
from concord.processors.run import at_site, rewrite
from concord.tests.engine.table import FADE, LEFT, LOUD, SWAP, edits
from concord.tests.engine.toy import DEPTH, HEADS, QUERIES, TOKENS, Toy, batch, far, noise, step_of
from torch import Tensor
from torch.autograd import gradcheck

SELF, CROSS = Toy().sites()[:2]
ROWS = batch(4, ("positive",))
Q, K, V = noise(1, 4, HEADS, QUERIES, DEPTH), noise(2, 4, HEADS, TOKENS, DEPTH), noise(3, 4, HEADS, TOKENS, DEPTH)
P = (Q @ K.mT / sqrt(DEPTH)).softmax(-1)


def plan_of(names, q: Tensor = Q) -> Plan:
    step = step_of(ROWS, edits(names))
    return rewrite(at_site(step.run.program, CROSS, step), Plan.of(q, K, V), CROSS, step)


def probe(names, row: int, tokens, q: Tensor = Q) -> Tensor:
    plan = plan_of(names, q)
    group = next(group for group in plan.groups if row in group.rows)
    return columns(group.pick((row,), plan.index), tokens)[0]


def test_columns_of_the_model():
    assert far(probe((), 1, (0, 5)), P[1][..., [0, 5]]) < 1e-12


def test_columns_after_copies_and_reweighting():
    mixed = (P[1] @ SWAP * FADE[1] + P[2] * (1 - FADE[1])) * LOUD
    assert far(probe(("replace", "reweight"), 2, (2, 3, 4)), mixed[..., [2, 3, 4]]) < 1e-12


def test_adapters_do_not_change_what_the_words_get():
    assert far(probe(("adapter",), 0, (3,)), P[0][..., [3]]) < 1e-12


def test_regions_take_their_share():
    mask = step_of(ROWS).mask(LEFT, CROSS, Q)[0]
    group = Group((0,), (Term(Q[:1], (Segment("own", K[:1], V[:1]),), mask), Term(Q[:1], (Segment("region", K[1:2], V[1:2]),), 1 - mask)))
    assert far(columns(group, (1,))[0], mask * P[0][..., [1]]) < 1e-12
    assert far(columns(group, (1,), "region")[0], (1 - mask) * (Q[0] @ K[1].mT / sqrt(DEPTH)).softmax(-1)[..., [1]]) < 1e-12


def test_more_columns_than_channels():
    many = [i % TOKENS for i in range(3 * DEPTH)]
    assert far(probe((), 0, many), P[0][..., many]) < 1e-12


def test_all_columns_of_all_segments_sum_to_one():
    step = step_of(ROWS, edits(("style",)))
    q, k, v = (noise(i, 4, HEADS, QUERIES, DEPTH) for i in range(3))
    plan = rewrite(at_site(step.run.program, SELF, step), Plan.of(q, k, v), SELF, step)
    group = next(group for group in plan.groups if 3 in group.rows)
    names = [segment.name for segment in group.terms[0].segments]
    total = sum(columns(group, range(QUERIES), name).sum(-1) for name in names)
    assert len(names) == 2 and far(total, torch.ones_like(total)) < 1e-12


@pytest.mark.parametrize("names", [(), ("paint",), ("replace", "reweight"), ("regions", "adapter")], ids="+".join)
def test_columns_are_differentiable(names):
    """Against finite differences, along four directions in the queries of all rows."""
    directions = noise(7, 4, *Q.shape)
    along = lambda t: probe(names, 2, (2, 4), Q + (t[:, None, None, None, None] * directions).sum(0))
    assert gradcheck(along, (torch.zeros(4, dtype=torch.float64, requires_grad=True),), atol=1e-6)


def test_an_unknown_segment_is_named():
    with pytest.raises(ConcordError, match="no keys named 'image'.*own"):
        columns(plan_of(()).groups[0], (0,), "image")
