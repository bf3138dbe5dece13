"""The Regions node: what is drawn, boxes of other nodes and regions before, in their order, as regions, boxes and masks."""
from __future__ import annotations

import json

import pytest
import torch
from concord.nodes.regions import EXAMPLE, Regions
from concord.processors.errors import ConcordError
from concord.processors.regions import Region

TEXT = '[{"box": [0.25, 0, 0.75, 0.5], "words": "sun", "strength": 2}, {"polygon": [[0, 0], [1, 0], [0, 1]], "prompt": "a hill"}]'
FOUND = [{"x": 30, "y": 20, "width": 30, "height": 20, "label": "cat", "score": 0.9}, {"x": 0, "y": 0, "width": 60, "height": 40}]


def run(regions: str = TEXT, width: int = 64, height: int = 32, **more):
    return Regions.execute(regions, width, height, **more)


def test_regions_boxes_and_masks_of_what_is_drawn():
    regions, boxes, masks = run().args
    assert [(one.words, one.prompt, one.strength) for one in regions] == [("sun", "", 2.0), ("", "a hill", 1.0)]
    assert [{key: box[key] for key in ("x", "y", "width", "height")} for box in boxes[0]] == [
        {"x": 16, "y": 0, "width": 32, "height": 16}, {"x": 0, "y": 0, "width": 64, "height": 32}]
    assert masks.shape == (2, 32, 64) and masks.dtype == torch.float32
    wanted = torch.zeros(32, 64)
    wanted[:16, 16:48] = 1
    assert torch.equal(masks[0], wanted)
    assert masks[1].mean() == pytest.approx(0.5, abs=1e-3)


def test_the_first_example_is_what_it_says():
    regions = run(EXAMPLE).args[0]
    assert [one.words for one in regions] == ["a red cat", "a blue dog"]
    assert regions[0].cover((8, 8))[:, :4].sum() > 0 == regions[0].cover((8, 8))[:, 4:].sum()


def test_regions_before_come_first_then_boxes():
    before = Region(box=(0, 0, 1, 1), words="sky")
    regions = run(regions_before=(before,), boxes=[FOUND], box_words="dog\n").args[0]
    assert regions[0] is before and [one.words for one in regions] == ["sky", "dog", "", "sun", ""]
    assert [one.words for one in run(boxes=FOUND).args[0]] == ["cat", "", "sun", ""]


def test_boxes_are_in_pixels_of_the_image_where_there_is_one():
    assert run("", boxes=FOUND).args[0][0].box == pytest.approx((30 / 64, 20 / 32, 60 / 64, 40 / 32))
    assert run("", boxes=FOUND, image=torch.zeros(2, 40, 60, 3)).args[0][0].box == pytest.approx((0.5, 0.5, 1, 1))


def test_boxes_go_out_and_come_back():
    boxes = json.loads(json.dumps(run().args[1]))
    again = run("", boxes=boxes).args[0]
    assert again[0].box == (0.25, 0, 0.75, 0.5) and [one.words for one in again] == ["sun", "a hill"]


def test_only_an_image_is_shown():
    assert run().ui is None
    assert run(image=torch.rand(3, 8, 8, 3)).ui.preview.image.shape == (1, 8, 8, 3)


def test_no_regions_at_all_say_so():
    for nothing in ("", "[]"):
        with pytest.raises(ConcordError, match="no regions; draw one"):
            run(nothing, boxes=[])
    with pytest.raises(ConcordError, match="cannot be read"):
        run("[{")
