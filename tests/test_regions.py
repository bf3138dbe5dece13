"""Regions: how much of every cell they cover, as text, as boxes of other nodes, and what is refused."""
from __future__ import annotations

import json

import pytest
import torch
from concord.processors.errors import ConcordError
from concord.processors.regions import Region
from concord.processors.regions_text import from_boxes, parse, to_boxes


def test_a_box_covers_cells_by_their_share():
    cover = Region(box=(0.25, 0.0, 0.625, 0.5)).cover((4, 4))
    assert torch.allclose(cover, torch.tensor([[0, 1, 0.5, 0], [0, 1, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))


@pytest.mark.parametrize("size", [(7, 5), (64, 96), (1, 1)])
def test_what_is_covered_is_the_area(size):
    box = Region(box=(0.2, 0.1, 0.7, 0.85))
    square = Region(polygon=((0.2, 0.1), (0.7, 0.1), (0.7, 0.85), (0.2, 0.85)))
    assert box.cover(size).mean() == pytest.approx(0.5 * 0.75, abs=1e-6)
    assert square.cover(size).mean() == pytest.approx(0.5 * 0.75, abs=0.06)


def test_a_triangle_and_a_star_that_crosses_itself():
    assert Region(polygon=((0, 0), (1, 0), (0, 1))).cover((16, 16)).mean() == pytest.approx(0.5, abs=0.01)
    bow = Region(polygon=((0, 0), (1, 1), (1, 0), (0, 1)))
    assert bow.cover((16, 16)).mean() == pytest.approx(0.5, abs=0.01)
    assert bow.cover((16, 16))[8, 0] == 1 and bow.cover((16, 16))[0, 8] == 0


def test_off_the_canvas_only_what_lies_on_it_counts():
    assert Region(box=(-0.5, 0.5, 0.5, 1.5)).cover((4, 4)).sum() == 4
    assert Region(box=(-0.5, 0.5, 0.5, 1.5)).bounds == (0.0, 0.5, 0.5, 1.0)


def test_cells_are_counted_as_the_layout_papers_do():
    assert Region(box=(0.3, 0.0, 0.9, 1.0)).cells((2, 8)).tolist() == [[False, False, True, True, True, True, True, False]] * 2
    assert Region(box=(0.99, 0.99, 1.0, 1.0)).cells((4, 4)).sum() == 1
    assert Region(polygon=((0.51, 0.51), (0.52, 0.51), (0.51, 0.52))).cells((2, 2)).tolist() == [[False, False], [False, True]]
    mask = torch.zeros(8, 8)
    mask[:4] = 1
    assert Region(mask=mask).cells((4, 4)).tolist() == [[True] * 4] * 2 + [[False] * 4] * 2
    assert Region(mask=mask).bounds == (0.0, 0.0, 1.0, 0.5)


def test_text_and_boxes():
    one, two = parse('[{"box": [0.1, 0.2, 0.5, 0.9], "words": "red cat", "strength": 2, "curve": "0:1, 0.5:0"},'
                     ' {"polygon": [[0, 0], [1, 0], [0, 1]], "prompt": "a hill", "negative": "fog"}]')
    assert (one.box, one.words, one.at(0.0), one.at(0.25), one.at(0.7)) == ((0.1, 0.2, 0.5, 0.9), "red cat", 2.0, 1.0, 0.0)
    assert (two.polygon, two.prompt, two.negative, two.strength) == (((0, 0), (1, 0), (0, 1)), "a hill", "fog", 1.0)
    assert parse("") == parse(" \n") == ()
    boxes = to_boxes((one, two), 100, 200)
    assert {key: boxes[0][key] for key in ("x", "y", "width", "height")} == {"x": 10, "y": 40, "width": 40, "height": 140}
    again = from_boxes(json.loads(json.dumps(boxes)), 100, 200)
    assert again[0].box == pytest.approx(one.box) and [region.words for region in again] == ["red cat", "a hill"]
    assert from_boxes([boxes], 100, 200, ["a", "b"])[1].words == "b" and from_boxes([], 8, 8) == ()


@pytest.mark.parametrize("text,message", [
    ("[{", "cannot be read"), ("{}", "should be a list"), ("[3]", "region 1 is 3"), ('[{"bax": 1}]', "'bax'"), ('[{"box": [0, 0, 1]}]', "four numbers"),
    ('[{"box": [0, 0, 1, "x"]}]', "four numbers"), ('[{"box": [0.5, 0, 0.5, 1], "words": "cat"}]', "'cat' is empty"), ('[{"words": "cat"}]', "one box"),
    ('[{"box": [1.2, 0, 2, 1], "words": "cat"}]', "covers nothing"), ('[{"polygon": [[0, 0], [1, 1]]}]', "it needs three"),
    ('[{"polygon": "abc"}]', "corners"), ('[{"box": [0, 0, 1, 1], "strength": "x"}]', "strength"), ('[{"box": [0, 0, 1, 1], "words": 3}]', "write a text"),
    ('[{"box": [0, 0, NaN, 1]}]', "empty"), ('[{"box": [0, 0, 1, 1], "polygon": [[0, 0], [1, 0], [0, 1]]}]', "has 2 of them"),
    ('[{"box": [0, 0, 1, 1], "curve": "x"}]', "curve"), ('[{"box": [-Infinity, 0, 1, 1]}]', "not finite"), ('[{"box": [0, 0, true, 1]}]', "four numbers"),
])  # fmt: skip
def test_what_cannot_be_a_region_says_why(text, message):
    with pytest.raises(ConcordError, match=message):
        parse(text)


def test_masks_and_boxes_that_cannot_be():
    for mask in (torch.zeros(8, 8), torch.ones(1, 8, 8)):
        with pytest.raises(ConcordError, match="covers nothing|one mask"):
            Region(mask=mask)
    with pytest.raises(ConcordError, match="bounding boxes were expected"):
        from_boxes([{"x": 1}], 8, 8)
