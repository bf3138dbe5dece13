"""Plans: rows of equal structure share one kernel call, and an edit never counts rows itself."""
from __future__ import annotations

import torch
from concord.processors.program import Group, Index, Plan, Segment, Term, execute
from concord.tests.engine.toy import DEPTH, HEADS, far, noise
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

CPU = torch.device("cpu")
Q, K, V = (noise(i, 6, HEADS, 5, DEPTH) for i in (1, 2, 3))


def counting(asked: list[int]):
    def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        asked.append(len(q))
        return scaled_dot_product_attention(q, k, v, bias)

    return attend


def with_keys(mine: Group, theirs: Group) -> tuple[Term, ...]:
    return tuple(t.on("own", lambda s: s._replace(k=theirs.own.k, v=theirs.own.v)) for t in mine.terms)


def more_keys(mine: Group) -> tuple[Term, ...]:
    return tuple(t._replace(segments=(*t.segments, Segment("more", t.q, t.q))) for t in mine.terms)


def test_rows_of_one_structure_are_one_kernel_call():
    asked: list[int] = []
    plan = Plan.of(Q, K, V)
    out = execute(plan.change((1, 3, 5), with_keys, (0, 2, 4)), counting(asked))
    assert sorted(asked) == [3, 3]
    for row, giver in ((0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (5, 4)):
        assert far(out[row], scaled_dot_product_attention(Q[row], K[giver], V[giver])) < 1e-12


def test_one_giver_for_many():
    out = execute(Plan.of(Q, K, V).change((5, 1, 3), with_keys, (0, 0, 0)))
    for row in (1, 3, 5):
        assert far(out[row], scaled_dot_product_attention(Q[row], K[0], V[0])) < 1e-12


def test_takers_of_one_structure_with_givers_of_two():
    """The givers of a group need not be alike: here one has more keys."""
    plan = Plan.of(Q, K, V).change((0,), more_keys)
    asked_of = lambda mine, theirs: theirs.terms
    out = execute(plan.change((2, 3), asked_of, (0, 1)))
    alone = execute(plan)
    assert far(out[2], alone[0]) < 1e-12 and far(out[3], alone[1]) < 1e-12 and far(out[4], alone[4]) < 1e-12


def test_a_change_of_no_rows_changes_nothing():
    plan = Plan.of(Q, K, V)
    assert [group.rows for group in plan.change((), more_keys).groups] == [(0, 1, 2, 3, 4, 5)]
    assert torch.equal(execute(plan.change((), with_keys, ())), execute(plan))


def test_plans_are_not_written():
    plan = Plan.of(Q, K, V)
    before = execute(plan)
    plan.change((1, 2), more_keys)
    assert plan.own.q is Q and torch.equal(execute(plan), before)


def test_what_a_row_added_is_apart_from_its_base():
    further = Term(Q[:3], (Segment("image", K[:3], V[:3]),), 0.5)
    added = Plan.of(Q, K, V).change((0, 1, 2), lambda mine: (*mine.terms, further)).more()
    out = execute(added, beside=torch.ones_like(Q))
    assert far(out[:3], 1 + 0.5 * scaled_dot_product_attention(Q[:3], K[:3], V[:3])) < 1e-12
    assert torch.equal(out[3:], torch.ones_like(Q[3:]))


def test_evenly_spaced_rows_are_views_and_others_are_made_once():
    index = Index()
    assert index[(1, 3, 5), CPU] == slice(1, 6, 2) and index[(4,), CPU] == slice(4, 5, 1)
    for rows in ((0, 0, 0), (3, 2, 1), (0, 1, 5)):
        at = index[rows, CPU]
        assert at.tolist() == list(rows) and index[rows, CPU] is at


def test_a_gate_and_a_bias_of_one_row_are_for_all_and_others_follow_their_rows():
    term = Term(Q, (Segment("own", K, V, noise(4, 6, 1, 5, 5)),), noise(5, 1, 1, 5, 1), temperature=1.5)
    plan = Plan(term, (Group(tuple(range(6)), (term,)),))
    whole, parts = execute(plan), execute(plan.change((4, 1), lambda mine: mine.terms).change((2, 1), lambda mine: mine.terms))
    assert far(whole, parts) < 1e-12


def test_half_precision_stays_half_beside_masks_of_full_precision():
    q, k, v = (t.bfloat16() for t in (Q, K, V))
    term = Term(q, (Segment("own", k, v, noise(4, 1, 1, 5, 5).float()),), noise(5, 1, 1, 5, 1).float())
    assert execute(Plan(term, (Group(tuple(range(6)), (term,)),))).dtype == torch.bfloat16
