"""Lanes: the roles that the images of a batch play."""
from __future__ import annotations

import pytest
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.rows import Lanes, Row, View

PAIR = Lanes(((0, "source", 0), (1, "target", 0)))


def test_lanes_of_two_techniques_merge():
    both = PAIR | reference_lane(2)
    assert both.roles == ((0, "source", 0), (1, "target", 0), (2, "reference", 0))
    assert reference_lane(2) | PAIR == both


def test_the_same_lanes_twice_are_themselves():
    assert PAIR | PAIR == PAIR and Lanes() | PAIR == PAIR


@pytest.mark.parametrize("other", [Lanes(((1, "source", 0),)), Lanes(((1, "target", 1),))], ids=("another lane", "another group"))
def test_one_image_plays_one_role(other):
    with pytest.raises(ConcordError, match="image 1 of the batch would be both target and"):
        PAIR | other


def test_programs_merge_their_lanes():
    program = Program.of((), PAIR).add(style_aligned(), reference_lane(2))
    assert program.lanes == PAIR | reference_lane(2)


def test_a_role_needs_its_image():
    PAIR.check(2)
    with pytest.raises(ConcordError, match="the target is image 1 .* but the batch holds 1"):
        PAIR.check(1)


def test_one_giver_to_a_group():
    Lanes(((0, "source", 0), (1, "source", 1), (2, "reference", 0))).check(3)
    with pytest.raises(ConcordError, match="group 0 has two images that play the source"):
        Lanes(((0, "source", 0), (1, "source", 0))).check(2)


def test_takers_of_one_group_may_be_many():
    Lanes(((0, "source", 0), (1, "target", 0), (2, "target", 0))).check(3)


def test_the_rows_of_a_call_are_its_entries_times_the_images():
    view = View(0, 0, 8, 8, (8, 16))
    rows = PAIR.rows([("negative", 0, None, 77), ("positive", 1, view, 154)], 3)
    assert [(row.branch, row.sample, row.lane) for row in rows[:3]] == [("negative", 0, "source"), ("negative", 1, "target"), ("negative", 2, "plain")]
    assert rows[4] == Row("positive", 1, "target", 0, view, 1, 154)
