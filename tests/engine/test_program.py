"""The program is a sorted set: the order of nodes leaves no trace, neutral edits drop out, owners merge and adders add."""
from __future__ import annotations

from copy import copy, deepcopy
from itertools import permutations
from random import Random

import pytest
import torch
from concord.processors.attention.paint_with_words import paint_with_words
from concord.processors.attention.style_aligned import style_aligned
from concord.processors.edit import Program
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.tests.engine.edits_self import Sharpen
from concord.tests.engine.table import EVERYTHING, IMAGE, PAINTED, edits, picture_prompt
from concord.tests.engine.toy import batch, far, picture

ROWS = batch(8)


def ids(program: Program) -> list[str]:
    return [edit.id for edit in program.edits]


@pytest.mark.parametrize("names", list(permutations(("style", "replace", "adapter", "paint"))), ids="+".join)
def test_every_order_of_nodes_is_the_same_to_the_bit(names):
    assert torch.equal(picture(edits(names), ROWS), picture(edits(("style", "replace", "adapter", "paint")), ROWS))


@pytest.mark.parametrize("seed", range(5))
def test_a_long_chain_in_any_order_is_the_same_to_the_bit(seed):
    shuffled = Random(seed).sample(EVERYTHING, len(EVERYTHING))
    assert torch.equal(picture(edits(shuffled), ROWS), picture(edits(EVERYTHING), ROWS))


def test_one_by_one_or_all_at_once_is_the_same_program():
    grown = Program()
    for name in EVERYTHING:
        grown = grown.add(edits([name]))
    assert ids(grown) == ids(Program.of(edits(EVERYTHING)))


def test_adding_leaves_the_old_program_as_it_was():
    first = Program.of(edits(["style"]))
    before = ids(first)
    first.add(edits(["paint"]))
    assert ids(first) == before


NEUTRAL = {
    "adapter": picture_prompt(IMAGE, 0.0),
    "paint": paint_with_words(PAINTED, 0.0),
    "sharpen": (Sharpen(by=1.0),),
    "style": style_aligned(share=False, adain=""),
    "control": (ControlResiduals(strength=0.0),),
}


@pytest.mark.parametrize("neutral", NEUTRAL.values(), ids=NEUTRAL)
def test_neutral_edits_drop_out(neutral):
    assert not Program.of(neutral)
    assert ids(Program.of((*edits(["style"]), *neutral))) == ids(Program.of(edits(["style"])))


@pytest.mark.parametrize("name", ("style", "masked", "replace", "selfcopy", "regions"))
def test_to_own_the_same_twice_is_to_own_it_once(name):
    owners = [edit for edit in edits([name]) if edit.owns]
    again = [deepcopy_by_content(edit) for edit in owners]
    assert len(Program.of(owners + again).edits) == len(owners) > 0
    assert torch.equal(picture(owners + again, ROWS), picture(owners, ROWS))


@pytest.mark.parametrize("name", ("adapter", "paint", "reweight", "mixed"))
def test_what_adds_up_adds_up(name):
    assert len(Program.of(edits([name, name])).edits) == 2
    assert far(picture(edits([name, name]), ROWS), picture(edits([name]), ROWS)) > 1e-3


def test_style_aligned_twice_aligns_once_and_shares_twice():
    assert [type(edit).__name__ for edit in Program.of(style_aligned() + style_aligned()).edits] == ["AlignStatistics", "ShareKeys", "ShareKeys"]


def test_stages_orders_and_lanes_sort_before_content():
    mixed = Program.of((*edits(EVERYTHING), *multidiffusion((8, 8), (4, 4)), ControlResiduals()))
    keys = [(edit.stage, edit.order) for edit in mixed.edits]
    assert keys == sorted(keys)
    takers = [edit.taker for edit in Program.of(edits(["frames", "styleid"])).edits]
    assert takers == ["target", "frame"]


def test_copies_of_a_host_are_the_thing_itself():
    program = Program.of(edits(EVERYTHING))
    assert deepcopy(program) is program and deepcopy({"options": [program]})["options"][0] is program
    assert all(deepcopy(edit) is edit for edit in program.edits)


def deepcopy_by_content(edit):
    """Another edit of the same content, as a second node of the same settings makes it."""
    twin = copy(edit)
    twin.__dict__.pop("id", None)
    for name, value in vars(twin).items():
        if isinstance(value, torch.Tensor):
            object.__setattr__(twin, name, value.clone())
    return twin
