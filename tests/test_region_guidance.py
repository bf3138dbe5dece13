"""The nodes Region Guidance and Region in the headless host: what they attach, what they refuse, and what holds for any batch."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from dataclasses import replace  # noqa: E402

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.nodes._region_modes import MODES  # noqa: E402
from concord.nodes.add_region import AddRegion  # noqa: E402
from concord.nodes.region_guidance import RegionGuidance  # noqa: E402
from concord.processors.attention.paint_with_words import LAWS  # noqa: E402
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt  # noqa: E402
from concord.processors.attention.style_aligned import reference_lane, style_aligned  # noqa: E402
from concord.processors.conditions.lanes import one_per_sample, roles  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402
from concord.processors.regions import Region  # noqa: E402

TEXT = "a red circle and a green star on a blue background"
ATTENTION = ("region prompts", "paint with words", "forward guidance")


@pytest.fixture(scope="module")
def parts():
    return host.practice_model()


def regions(**how) -> tuple[Region, ...]:
    left = dict(words="red circle", prompt="a red circle", strength=1.0, **how)
    return Region(box=(0.0, 0.0, 0.5, 1.0), **left), Region(box=(0.5, 0.0, 1.0, 1.0), words="green, star", prompt="a green star", negative="red")


def guided(parts, mode: str = "region prompts", strength: float = 1.0, start: float = 0.0, end: float = 0.0, given=None, text: str = TEXT, on=None, **more):
    return RegionGuidance.execute(on or parts[0], parts[1], text, regions() if given is None else given, mode, strength, start, end, **more).args[0]


def run(parts, model, canvas=(16, 16), samples: int = 1, cfg: float = 4.0, rows: int | None = None, positive=None):
    told = positive or host.encode_prompt(parts[1], TEXT)
    latent = {"samples": torch.zeros(samples, 4, *canvas)}
    return sample(replace(model, rows_per_call=rows), 1, 2, cfg, "euler", "normal", told, host.encode_prompt(parts[1], ""), latent)["samples"]


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("mode", MODES)
def test_what_is_off_leaves_no_trace(parts, mode):
    off = tuple(replace(region, strength=0.0) for region in regions())
    for model in (guided(parts, mode, 0.0), guided(parts, mode, given=off)):
        assert model is parts[0] and not model.program


@pytest.mark.parametrize("mode,end", [("region prompts", 1.0), ("paint with words", 1.0), ("forward guidance", 0.2), ("backward guidance", 0.2),
                                      ("BoxDiff", 0.5), ("Attend-and-Excite", 0.5)])
def test_without_an_end_the_authors_window_is_taken(parts, mode, end):
    assert {edit.window for edit in guided(parts, mode).program.edits if edit.window != (0.0, 1.0) or end == 1.0} == {(0.0, end)}
    assert {edit.window for edit in guided(parts, mode, start=0.1, end=0.7).program.edits if edit.window[0]} == {(0.1, 0.7)}


@pytest.mark.parametrize("mode", ATTENTION)
@pytest.mark.parametrize("samples,canvas,cfg", [(1, (16, 16), 4.0), (3, (13, 19), 4.0), (2, (16, 16), 1.0)])
def test_split_branches_odd_sizes_and_cfg_1(parts, mode, samples, canvas, cfg):
    model = guided(parts, mode, end=1.0)
    out = run(parts, model, canvas, samples, cfg)
    assert far(run(parts, model, canvas, samples, cfg, rows=1), out) < 1e-4
    assert far(out, run(parts, parts[0], canvas, samples, cfg)) > 1e-2


@pytest.mark.parametrize("mode", ATTENTION)
def test_an_area_and_a_region_that_is_elsewhere(parts, mode):
    """A second prompt in an area is a window too; region prompts act in it, words are those of the first prompt."""
    told = host.encode_prompt(parts[1], TEXT)
    both = told + [[text, {**keys, "area": (16, 8, 0, 16), "strength": 1.0}] for text, keys in host.encode_prompt(parts[1], "a star")]
    model = guided(parts, mode, end=1.0, given=(replace(regions()[0], box=(0.0, 0.0, 0.3, 1.0)),))
    out = run(parts, model, (16, 24), positive=both)
    assert far(run(parts, model, (16, 24), positive=both, rows=1), out) < 1e-4 and far(out, run(parts, parts[0], (16, 24), positive=both)) > 1e-2


def test_order_of_nodes_leaves_no_trace(parts):
    makers = [lambda m, mode=mode: guided(parts, mode, on=m) for mode in ATTENTION]
    makers += [lambda m: host.attach(m, *multidiffusion((16, 16), (8, 8))), lambda m: host.attach(m, *style_aligned(), lanes=reference_lane())]
    made = []
    for order in (makers, makers[::-1], makers[2:] + makers[:2]):
        model = parts[0]
        for make in order:
            model = make(model)
        made.append(run(parts, model, (16, 24), 2))
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])


@pytest.mark.parametrize("mode", ATTENTION)
def test_with_equal_prompts_the_target_of_prompt_to_prompt_is_its_source(parts, mode):
    """It takes the source's maps with all that the regions did to them."""
    prompt = host.read_prompt(parts[1], TEXT)
    told = one_per_sample([host.encode_prompt(parts[1], TEXT)] * 2, 1)
    edits = prompt_to_prompt(prompt, [prompt], "refine", cross="default:0-1", layout=(0.0, 1.0), fraction=1.0)
    model = host.attach(guided(parts, mode, end=1.0), *edits, lanes=roles(1, 1))
    latent = {"samples": torch.zeros(2, 4, 16, 16), "batch_index": [0, 0]}
    out = sample(model, 1, 2, 4.0, "euler", "normal", told, host.encode_prompt(parts[1], ""), latent)["samples"]
    assert far(out[1], out[0]) < 1e-5 and far(out[0], run(parts, parts[0])[0]) > 1e-2


def test_a_text_and_its_conditioning_are_the_same(parts):
    encoded = replace(regions()[0], prompt=host.encode_prompt(parts[1], "a red circle")), regions()[1]
    assert [edit.id for edit in guided(parts, given=encoded).program.edits] == [edit.id for edit in guided(parts).program.edits]
    combined = replace(regions()[0], prompt=host.encode_prompt(parts[1], "a red circle") + host.encode_prompt(parts[1], "a star"))
    assert {tokens.shape[1] for edit in guided(parts, given=(combined,)).program.edits for tokens in edit.tokens} == {154}


def test_fillers_are_moved_as_the_authors_do(parts):
    edits = {kind: guided(parts, "forward guidance", filler_tokens=kind).program.edits[0] for kind in ("as the authors do", "on", "off")}
    assert edits["on"].id == edits["as the authors do"].id and edits["on"].start == (0,) and edits["on"].end == tuple(range(12, 77))
    assert edits["off"].start == edits["off"].end == ()


def bare(**what) -> tuple[Region, ...]:
    return (Region(box=(0.0, 0.0, 0.5, 1.0), **what),)


@pytest.mark.parametrize("how,said", [
    (dict(given=()), "region prompts got no region at all"), (dict(given=3), "needs regions, got 3"),
    (dict(given=bare(words="circle")), "the region 'circle' has no prompt"),
    (dict(given=bare(words="circle", prompt=" ")), "the region 'circle' has no prompt"),
    (dict(mode="paint with words", given=bare(prompt="a cat")), "the region 'a cat' has none; write in it"),
    (dict(mode="forward guidance", given=bare(words=" , ")), "has none; write in it"),
    (dict(mode="paint with words", given=bare(words="circle, cat")), "'cat' is not among the words of the prompt; it has: a, red, circle"),
    (dict(mode="paint with words", text=""), "not among the words of the prompt; it has: none"), (dict(layers="3-99"), "has the layers 0 to 15"),
    (dict(given=bare(prompt="x", strength=-1.0)), "strength -1"), (dict(given=bare(prompt=[[torch.zeros(1, 77, 768), {}]])), "tokens 768 wide"),
    (dict(given=bare(words="cat", prompt=[[torch.zeros(1, 77, 64), {"area": (8, 8, 0, 0)}]])), "the prompt of the region 'cat' carries its own area"),
])  # fmt: skip
def test_what_cannot_be_says_why(parts, how, said):
    with pytest.raises(ConcordError, match=said):
        guided(parts, **how)


def test_another_prompt_than_the_text_is_noticed(parts):
    model = guided(parts, "paint with words", text=" ".join(["a"] * 80 + ["red circle green star"]))
    with pytest.raises(ConcordError, match="looks for token 8. of the prompt, but the prompt at cross-attention 0 .* has 77"):
        run(parts, model)


@pytest.mark.parametrize("law", LAWS)
def test_every_law_draws(parts, law):
    out = run(parts, guided(parts, "paint with words", law=law, outside=0.5, measured_over="head"))
    assert out.isfinite().all() and far(out, run(parts, parts[0])) > 1e-3


def test_the_node_of_one_region():
    one = AddRegion.execute(0.1, 0.2, 0.3, 0.4, "cat", " a cat ", 0.7, " fog", "0:1, 1:0").args[0]
    assert one[0].box == pytest.approx((0.1, 0.2, 0.4, 0.6)) and (one[0].words, one[0].prompt, one[0].negative, one[0].at(0.5)) == ("cat", "a cat", "fog", 0.35)
    told, mask = [[torch.zeros(1, 77, 64), {}]], torch.ones(1, 8, 8).tril()
    two = AddRegion.execute(0.0, 0.0, 1.0, 1.0, "", "", 1.0, mask=mask, conditioning=told, negative_conditioning=told, regions=one).args[0]
    assert two[0] is one[0] and two[1].box is None and torch.equal(two[1].mask, mask[0]) and two[1].prompt is told and two[1].negative is told
    for given, said in (((0.5, 0.0, 0.0, 1.0), "is empty"), ((2.0, 0.0, 1.0, 1.0), "covers nothing")):
        with pytest.raises(ConcordError, match=said):
            AddRegion.execute(*given, "cat", "", 1.0)
    with pytest.raises(ConcordError, match="one mask, but 2"):
        AddRegion.execute(0.0, 0.0, 1.0, 1.0, "cat", "", 1.0, mask=torch.ones(2, 8, 8))
