"""MultiDiffusion's nodes: pixels become cells, regions become entries of both branches, and what cannot be is said in one line."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.nodes.multidiffusion import MultiDiffusion  # noqa: E402
from concord.nodes.multidiffusion_regions import MultiDiffusionRegions  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.regions import Region  # noqa: E402
from concord.processors.schedule import Curve  # noqa: E402
from concord.processors.views import MARK  # noqa: E402

LEFT = Region(box=(0.0, 0.0, 0.5, 1.0), prompt="a red circle")


@pytest.fixture(scope="module")
def parts():
    return host.practice_model()


@pytest.fixture(scope="module")
def encode(parts):
    return lambda text: host.encode_prompt(parts[1], text)


def windows(parts, stride=64, fusion="uniform", **more) -> dict:
    model = MultiDiffusion.execute(parts[0], 0, 0, stride, fusion, False, False, 0.0, 1.0, **more).args[0]
    return {type(edit).__name__: edit for edit in model.program.edits}


def test_a_graph_of_an_earlier_version_is_what_it_was(parts):
    made = windows(parts)
    assert made["Windows"].size == (16, 16) and made["Windows"].stride == (8, 8) and made["Windows"].jitter is None and made["Windows"].per_call == 0
    assert made["Fusion"].kind == "uniform" and made["Fusion"].feather == (0, 0)


def test_pixels_become_cells(parts):
    made = windows(parts, 96, "cosine", stride_y=32, feather=24, jitter=True, jitter_seed=7, views_per_call=3)
    assert made["Windows"].stride == (4, 12) and made["Windows"].jitter == 7 and made["Windows"].per_call == 3
    assert made["Fusion"].feather == (3, 3)
    assert windows(parts, 0, "linear")["Fusion"].feather == (12, 12)  # a quarter's stride leaves three quarters of overlap


def regions(parts, encode, *given, until: float = 0.4, clip: bool = True, positive=None, **more):
    told = {"clip": parts[1]} if clip else {}
    return MultiDiffusionRegions.execute(parts[0], positive or encode("a background"), encode("bad"), given, until, 0, **told, **more).args


def test_regions_are_entries_of_both_branches(parts, encode):
    model, positive, negative = regions(parts, encode, LEFT, replace(LEFT, box=(0.5, 0.0, 1.0, 0.5), negative="blue", prompt=encode("a star")))
    assert len(positive) == len(negative) == 3
    for side in (positive, negative):
        masks = [keys["mask"] for _, keys in side]
        assert torch.allclose(torch.stack(masks).sum(0), torch.ones_like(masks[0])) and float(masks[1][..., : masks[1].shape[-1] // 2].min()) == 1
    assert [keys.get(MARK) for _, keys in positive] == [keys.get(MARK) for _, keys in negative] and positive[0][1].get(MARK) is None
    assert torch.equal(negative[1][0], encode("bad")[0][0]) and torch.equal(negative[2][0], encode("blue")[0][0])
    (edit,) = model.program.edits
    assert edit.marks == (positive[1][1][MARK], positive[2][1][MARK]) and edit.window == (0.0, 0.4)


def test_without_bootstrapping_the_model_stays(parts, encode):
    model, positive, _ = regions(parts, encode, LEFT, until=0.0)
    assert model is parts[0] and not any(MARK in keys for _, keys in positive) and len(positive) == 2


@pytest.mark.parametrize("given", [(), (replace(LEFT, strength=0.0),)])
def test_no_region_is_nothing(parts, encode, given):
    positive = encode("a background")
    model, same, _ = regions(parts, encode, *given, positive=positive)
    assert model is parts[0] and same is positive


def test_words_serve_where_there_is_no_prompt(parts, encode):
    _, positive, _ = regions(parts, encode, Region(box=(0.0, 0.0, 0.5, 1.0), words="blue star"))
    assert torch.equal(positive[1][0], encode("blue star")[0][0])


def test_controls_go_along_but_places_and_times_do_not(parts, encode):
    control, mask = object(), torch.ones(1, 8, 8)
    positive = [[encode("a background")[0][0], {"control": control, "width": 512, "mask": mask, "end_percent": 0.5, "concord_words": "x"}]]
    _, made, _ = regions(parts, encode, LEFT, positive=positive)
    assert made[1][1]["control"] is control and made[1][1]["width"] == 512
    assert "end_percent" not in made[1][1] and "concord_words" not in made[1][1] and float(made[1][1]["mask"].sum()) == made[1][1]["mask"].numel() / 2


def test_a_given_background_and_a_vae(parts, encode):
    edit = lambda **more: regions(parts, encode, LEFT, **more)[0].program.edits[0].backgrounds
    assert edit(background={"samples": torch.ones(2, 4, 5, 6)}).shape == (1, 4, 5, 6)
    assert edit(vae=parts[2]).shape == edit().shape == (20, 4, 1, 1)
    assert float(edit(vae=parts[2]).std(0).mean()) > 0.1


@pytest.mark.parametrize(("region", "clip", "message"), [
    (LEFT, False, "'a red circle' has its prompt as a text, which needs the clip input"),
    (Region(box=(0.0, 0.0, 0.5, 1.0)), True, "has no prompt; write one in it"),
    (replace(LEFT, curve=Curve.parse("0:1, 1:0")), True, "has a curve, but MultiDiffusion averages whole predictions"),
    (replace(LEFT, strength=-1.0), True, "has a strength of -1, but MultiDiffusion"),
])
def test_what_cannot_be_is_refused(parts, encode, region, clip, message):
    with pytest.raises(ConcordError, match=message):
        regions(parts, encode, region, clip=clip)
