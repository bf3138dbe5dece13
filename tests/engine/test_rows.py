"""Who is who does not depend on how the host calls the model: order of rows, joint or split branches, entries, true token counts."""
from __future__ import annotations

from random import Random

import pytest
import torch
from concord.processors.errors import ConcordError
from concord.processors.program import Plan, execute
from concord.processors.rows import Lanes, Row
from concord.tests.engine.table import EVERYTHING, edits, program
from concord.tests.engine.toy import BRANCHES, DEPTH, HEADS, TOKENS, Toy, batch, canvas, engine, far, lanes, noise, picture, prompts, step_of

ROWS = batch(8)


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_rows_is_the_same(seed):
    order = Random(seed).sample(range(len(ROWS)), len(ROWS))
    assert far(picture(edits(EVERYTHING), [ROWS[i] for i in order]), picture(edits(EVERYTHING), ROWS)[order]) < 1e-12


@pytest.mark.parametrize("branch", BRANCHES)
def test_split_branches_are_the_same(branch):
    at = [i for i, row in enumerate(ROWS) if row.branch == branch]
    assert far(picture(edits(EVERYTHING), [ROWS[i] for i in at]), picture(edits(EVERYTHING), ROWS)[at]) < 1e-12


def test_groups_do_not_meet():
    """The first group of a batch of eight is what it would be alone."""
    first = [i for i, row in enumerate(ROWS) if row.group == 0]
    assert far(picture(edits(EVERYTHING), batch(4)), picture(edits(EVERYTHING), ROWS)[first]) < 1e-12


def test_an_edit_of_one_branch_leaves_the_others_to_the_bit():
    rows = batch(4)
    negative = [i for i, row in enumerate(rows) if row.branch == "negative"]
    changed, plain = picture(edits(["regions", "paint"]), rows), picture((), rows)
    assert torch.equal(changed[negative], plain[negative]) and far(changed, plain) > 1e-3


def entries(*kinds: tuple[str, int, int]) -> tuple[Row, ...]:
    return lanes(4).rows([(branch, entry, None, tokens) for branch, entry, tokens in kinds], 4)


def test_two_positives_of_different_length_in_one_call_equal_two_calls():
    """The host repeats the shorter prompt to the length of the longer; techniques must not see the repeats."""
    names = ("style", "selfcopy", "mixed", "regions", "adapter", "adapter2")
    short, long = entries(("positive", 0, TOKENS)), entries(("positive", 1, 2 * TOKENS))
    both = picture(edits(names), short + long)
    assert prompts(short + long).shape[1] == 2 * TOKENS
    assert far(both[:4], picture(edits(names), short)) < 1e-12
    assert far(both[4:], picture(edits(names), long)) < 1e-12


def test_word_maps_apply_to_a_repeated_prompt_as_to_the_prompt():
    """Bias, mapping and reweighting are per word: at 14 keys of which 7 are true they act on 7."""
    names = ("replace", "paint", "reweight")
    alone = entries(("positive", 0, TOKENS))
    repeated = torch.cat([prompts(alone)] * 2, 1)
    out = Toy()(canvas(alone), repeated, engine(step_of(alone, edits(names))))
    assert far(out, picture(edits(names), alone)) < 1e-12


def test_true_counts_cut_keys_values_and_a_bias_per_row():
    q, k, v = noise(1, 3, HEADS, 5, DEPTH), noise(2, 3, HEADS, 14, DEPTH), noise(3, 3, HEADS, 14, DEPTH)
    bias = noise(4, 3, 1, 5, 14)
    out = execute(Plan.of(q, k, v, bias, (7, 14, None)))
    for i, count in enumerate((7, 14, 14)):
        scores = q[i] @ k[i, :, :count].mT / DEPTH**0.5 + bias[i, ..., :count]
        assert far(out[i], scores.softmax(-1) @ v[i, :, :count]) < 1e-12


def test_givers_of_one_entry_do_not_serve_another():
    rows = entries(("positive", 0, TOKENS), ("positive", 1, TOKENS))
    step = step_of(rows, edits(["style"]))
    assert step.givers("reference", range(8)) == (0,) * 4 + (4,) * 4


def test_the_giver_of_ones_own_group_serves_first():
    step = step_of(batch(8, ("positive",)))
    assert step.givers("source", (2, 3, 6, 7)) == (1, 1, 5, 5)


def test_a_single_giver_serves_all_groups():
    roles = Lanes(((0, "reference", 0), (1, "target", 0), (2, "target", 1), (3, "plain", 2)))
    step = step_of(roles.rows([("positive", 0, None, None)], 4), program((), 4))
    assert step.givers("reference", (1, 2, 3)) == (0, 0, 0)


def test_a_group_without_giver_among_several_is_refused():
    rows = [Row("positive", 0, "reference", 0), Row("positive", 1, "reference", 1), Row("positive", 2, "plain", 2)]
    with pytest.raises(ConcordError, match="no reference image of group 2 in this positive call"):
        picture(edits(["style"]), rows)


def test_a_missing_giver_is_refused():
    with pytest.raises(ConcordError, match="no source image of group 0 in this positive call.*same batch"):
        picture(edits(["masactrl"]), [Row("positive", 0, "target", 0), Row("positive", 1)])
