"""Curves: values over the progress of a run, written as text."""
from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import pytest
from concord.processors.edit import Edit
from concord.processors.errors import ConcordError
from concord.processors.schedule import Curve


@dataclass(frozen=True, eq=False, kw_only=True)
class Fading(Edit):
    technique = "fading"
    stage = 4
    curve: Curve | None = None


def test_straight_lines_between_the_points_and_level_outside():
    curve = Curve.parse(" 0.2:1,0.5: 0.25 ,\n 0.9:-1")
    values = {0.0: 1.0, 0.2: 1.0, 0.35: 0.625, 0.5: 0.25, 0.7: -0.375, 0.9: -1.0, 1.0: -1.0}
    assert {at: round(curve.at(at), 12) for at in values} == values


def test_one_point_is_that_value_always():
    assert [Curve.parse("0.5:0.3").at(at) for at in (0.0, 0.5, 1.0)] == [0.3] * 3


@pytest.mark.parametrize("text", ("", "  \n", ","))
def test_no_text_is_no_curve(text):
    assert Curve.parse(text) is None


@pytest.mark.parametrize("text", ("1", "0:1 1:0", "0:1, 0.5", "0:1, x:2", "-0.1:1", "0:1, 1.5:0", "0:nan", "0:inf", "nan:1", "0:1:2", "50%:1"))
def test_what_is_no_point_is_named_with_an_example(text):
    with pytest.raises(ConcordError, match=r"is no point.*0:1, 0\.5:0\.2, 1:0"):
        Curve.parse(text)


@pytest.mark.parametrize("text", ("0.5:1, 0.2:0", "0:1, 0:2"))
def test_points_go_forwards(text):
    with pytest.raises(ConcordError, match="in order"):
        Curve.parse(text)


def test_zero_only_where_every_point_is():
    assert Curve.parse("0:0, 1:0").zero and not Curve.parse("0:0, 1:0.1").zero


def test_a_curve_in_an_edit_counts_by_its_content():
    a, again, b = (Curve.parse(text) for text in ("0:1, 1:0", " 0.0 : 1.0,1:0", "0:1, 1:0.5"))
    assert a == again and hash(a) == hash(again) and copy.deepcopy(a) == pickle.loads(pickle.dumps(a)) == a
    assert Fading(curve=a).id == Fading(curve=again).id != Fading(curve=b).id
    assert Fading().id not in (Fading(curve=a).id, Fading(curve=b).id)
