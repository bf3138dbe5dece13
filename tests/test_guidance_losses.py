"""The losses of guidance by gradients, and their slopes, are those of the authors' own code.

`recorded/guidance.json` holds what came out when the inputs below went through it, once, outside of this project: silent-chen/layout-guidance at 50fcf75
(utils.py: compute_ca_loss) and showlab/BoxDiff at b0d5d3b (sd_pipeline_boxdiff.py: _compute_max_attention_per_index and _compute_loss, without their calls
of .cuda()). Of each slope the sum is kept, and the sum after it was multiplied with noise. Attend-and-Excite is asked in diffusers itself.
"""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from concord.processors.errors import ConcordError
from concord.processors.latents.guidance.aims import ExcitedEdit, gathered, smooth
from concord.processors.latents.guidance.attend_and_excite import AttendAndExcite, attend_and_excite
from concord.processors.latents.guidance.backward import BackwardGuidance, backward_guidance
from concord.processors.latents.guidance.box_diff import BoxDiff, box_diff
from concord.processors.looking import Seen
from concord.processors.regions import Region
from concord.processors.run import Run
from concord.processors.schedule import Curve
from torch import Tensor

THEIRS = json.loads((Path(__file__).parent / "recorded" / "guidance.json").read_text())
STEP = Run().step(3.0, ())
LEFT, RIGHT = Region(box=(0.0, 0.0, 0.5, 1.0), words="left"), Region(box=(0.5, 0.0, 1.0, 1.0), words="right")


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seen(*maps: Tensor, tokens: tuple[int, ...]) -> Seen:
    """maps [H, h*w, M] of square layers, as the authors have them -> what we are told of `tokens`."""
    side = lambda m: int(m.shape[1] ** 0.5)
    return Seen({i: m[:, :, list(tokens)].mT.unflatten(-1, (side(m), side(m)))[None] for i, m in enumerate(maps)}, tokens)


def fingerprint(slope: Tensor, seed: int) -> list[float]:
    return [float(slope.sum()), float((slope * noise(seed, *slope.shape)).sum())]


def test_backward_guidance():
    maps = [noise(1 + i, 4, size * size, 10).mul(2).softmax(-1).requires_grad_() for i, size in enumerate((4, 8, 8, 8))]
    boxes = (((0.1, 0.2, 0.5, 0.8),), ((0.55, 0.0, 0.95, 0.3), (0.6, 0.6, 1.0, 1.0)))
    aims = [(Region(box=box, words="thing"), places) for of, places in zip(boxes, ((2,), (4, 5)), strict=True) for box in of]
    edit = BackwardGuidance(aims=gathered(aims))
    loss, whole = edit.losses(seen(*maps, tokens=edit.tokens(10)), STEP)
    assert loss is whole and loss.shape == (1,) and abs(float(loss.detach()) - THEIRS["backward"]["loss"]) < 1e-7  # their boxes are in single precision
    for i, slope in enumerate(torch.autograd.grad(loss.sum(), maps)):
        assert fingerprint(slope, 50 + i) == pytest.approx(THEIRS["backward"]["slopes"][i], rel=1e-6, abs=1e-8)
    assert edit.size(STEP) == 30 * 9


def test_box_diff():
    maps = noise(9, 16, 16, 77).mul(1.5).softmax(-1).requires_grad_()
    pixels = ((40, 100, 250, 410), (300, 20, 500, 180))
    aims = [(Region(box=tuple(p / 512 for p in box), words="thing"), (token,)) for box, token in zip(pixels, (3, 7), strict=True)]
    edit = BoxDiff(aims=gathered(aims))
    tokens = edit.tokens(77)
    assert tokens == tuple(range(1, 76))
    for name, loss in zip(("first", "whole"), edit.losses(Seen({4: maps.movedim(-1, 0)[None, None, list(tokens)]}, tokens), STEP), strict=True):
        slope = torch.autograd.grad(loss.sum(), maps, retain_graph=True)[0]
        assert [float(loss.detach()), fingerprint(slope, 60)[1]] == pytest.approx(THEIRS["box_diff"][name], rel=1e-6)


def test_attend_and_excite():
    """Heads and layers of one size are averaged; whoever is looked at least, where it is looked at most, counts."""
    diffusers = pytest.importorskip("diffusers", reason="the headless extra is not installed")
    theirs = diffusers.StableDiffusionAttendAndExcitePipeline
    maps = [noise(20 + i, 3, 64, 77).mul(2).softmax(-1).requires_grad_() for i in range(4)]
    for places in ((3,), (5, 2), (8, 20, 75)):
        edit = AttendAndExcite(aims=gathered([(LEFT, (place,)) for place in places]))
        ours, same = edit.losses(seen(*maps, tokens=edit.tokens(77)), STEP)
        averaged = torch.cat(maps).mean(0).reshape(8, 8, 77)
        expected = theirs._compute_loss(theirs._compute_max_attention_per_index(averaged, list(places)))
        assert ours is same and abs(float((ours - expected).detach())) < 1e-6
        for a, b in zip(torch.autograd.grad(ours.sum(), maps), torch.autograd.grad(expected, maps), strict=True):
            assert (a - b).abs().max() < 1e-6 * b.abs().max()


def test_step_sizes_of_the_schedule():
    """20 sqrt(linspace(1, 0.5)), in units whose noise keeps its variance: an x that is larger by sqrt(1 + sigma^2) has a gradient that is smaller by it."""
    edit = AttendAndExcite(aims=gathered([(LEFT, (1,))]), strength=0.5)
    for progress, factor in ((0.0, 1.0), (0.5, 0.75), (1.0, 0.5)):
        step = Run(progress_of=lambda sigma, p=progress: p).step(3.0, ())
        assert edit.size(step) == pytest.approx(0.5 * 20 * factor**0.5 * 10)


def test_when_it_looks_again():
    """As the authors' loops do, for every sequence of losses."""
    sigmas = (10.0, 8.0, 6.0, 4.0, 2.0, 0.0)
    run = Run(sigmas=sigmas, progress_of=lambda sigma: (10 - sigma) / 10)
    edit = AttendAndExcite(aims=gathered([(LEFT, (1,))]), iterations=3, thresholds=((0.0, 0.05), (0.35, 0.5), (0.6, 0.8)))
    assert [edit.target(run.step(sigma, ())) for sigma in sigmas[:-1]] == pytest.approx([0.95, None, 0.5, 0.2, None])
    assert ExcitedEdit.target(edit, Run(sigmas=(4.0, 2.0, 0.0), progress_of=run.progress_of).step(4.0, ())) == pytest.approx(0.2)  # it begins in the midst
    for sigma, losses, looks in ((10.0, [0.9], 1), (10.0, [0.96, 0.9], 3), (10.0, [0.96, 0.97, 0.5], 4), (10.0, [1.0] * 9, 4), (8.0, [1.0] * 9, 1)):
        watched, step = [], run.step(sigma, ())
        while edit.asks(watched, 1.0, step):
            watched.append((losses + [0.0] * 9)[len(watched)])
        assert len(watched) == looks, (sigma, losses)
    back = BackwardGuidance(aims=edit.aims, iterations=3, threshold=0.2)
    step = run.step(10.0, ())
    assert back.asks([], float("inf"), step) and not back.asks([], 0.2, step) and back.asks([], 0.3, step)
    assert back.asks([0.5], 0.3, step) and not back.asks([0.5, 0.1], 0.3, step) and not back.asks([0.5] * 3, 0.3, step)


def test_regions_of_the_same_words_are_one_and_strengths_weigh():
    maps = noise(3, 2, 64, 10).softmax(-1)
    of = lambda *aims, **how: (edit := BackwardGuidance(aims=gathered(aims), **how)).losses(seen(maps, tokens=edit.tokens(10)), STEP)[0]
    assert float(of((LEFT, (2,)), (RIGHT, (2,)))) < 1e-20  # all of the picture
    weak = Region(box=LEFT.box, words="left", strength=0.25)
    assert torch.allclose(of((weak, (2,)), (RIGHT, (3,))), (0.25 * of((LEFT, (2,))) + of((RIGHT, (3,)))) / 2)
    late = Region(box=LEFT.box, words="left", curve=Curve.parse("0:0, 0.5:0, 1:1"))
    assert torch.equal(of((late, (2,)), (RIGHT, (3,))), of((RIGHT, (3,))))  # not yet there
    assert not BackwardGuidance(aims=gathered([(late, (2,))])).active(STEP)
    with_end = of((LEFT, (2,)), (RIGHT, (3,)), end=(7, 8, 9))  # the tokens that fill the prompt up belong to all regions together
    assert torch.allclose(with_end, 2 / 3 * of((LEFT, (2,)), (RIGHT, (3,))))


@pytest.mark.parametrize("make", [backward_guidance, box_diff, attend_and_excite])
def test_what_does_nothing_is_nothing(make):
    off = Region(box=LEFT.box, words="left", strength=0.0)
    assert make([(LEFT, (2,))], strength=0) == () == make([]) == make([(off, (2,))])
    assert len(make([(LEFT, (2,))])) == 2
    with pytest.raises(ConcordError, match="'left' has no words"):
        make([(LEFT, ())])


def test_thin_regions_and_layers_of_several_sizes():
    """A box thinner than a cell has one; outlines have the corners of the box around them; coarser layers are brought to the finest."""
    thin = Region(box=(0.01, 0.01, 0.02, 0.02), words="thin")
    round_ = Region(polygon=((0.5, 0.1), (0.9, 0.5), (0.5, 0.9), (0.1, 0.5)), words="round")
    for region in (thin, round_):
        edit = BoxDiff(aims=gathered([(region, (2,))]))
        maps = [noise(5, 2, size * size, 9).softmax(-1).requires_grad_() for size in (2, 4, 1)]
        loss = edit.losses(seen(*maps, tokens=edit.tokens(9)), STEP)[1]
        assert loss.isfinite().all() and all(slope.abs().max() > 0 for slope in torch.autograd.grad(loss.sum(), maps[:2]))
    assert torch.allclose(smooth(torch.ones(1, 2, 1, 5)), torch.ones(1, 2, 1, 5))
