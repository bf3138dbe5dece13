"""LocalBlend against its formulas with probability matrices written out, over a whole run of a small transformer in float64."""
from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest
import torch
from concord.processors.attention.prompt_to_prompt import CopyWords
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.latents.local_blend import LAYERS, LocalBlend, local_blend, quarter
from concord.processors.probe import WordMaps
from concord.processors.rows import Lanes, Row
from concord.processors.run import Run
from concord.processors.stepping import Stepper
from concord.tests.engine.table import ALWAYS, INSERT
from concord.tests.engine.toy import CHANNELS, DEPTH, GRID, TOKENS, Toy, engine, far, noise
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

STEPS, LANE = 5, ("source", "target", "target")
SIGMAS = tuple(float(s) for s in range(STEPS, -1, -1))
LANES = Lanes(tuple((i, LANE[i % 3], i // 3) for i in range(6)))
WORDS, SUBTRACT = ((2, 3), (2,), (4, 5, 1)), ((6,), (6,), ())
CANVAS = (4 * GRID[0], 4 * GRID[1])  # four cells a token: the sites are at a quarter of the canvas
START = noise(1, 2, 1, *CANVAS).repeat_interleave(3, 0)
TEXT = torch.stack([3 * noise(50 + i % 3, TOKENS, CHANNELS) for i in range(6)])  # loud enough for maps with peaks


def tokens(x: Tensor) -> Tensor:
    """[B, 1, 4h, 4w] -> [B, h*w, 16]"""
    return x.unflatten(-1, (GRID[1], 4)).unflatten(-3, (GRID[0], 4)).permute(0, 2, 4, 1, 3, 5).reshape(len(x), -1, CHANNELS)


def canvas(t: Tensor) -> Tensor:
    return t.reshape(-1, *GRID, 1, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(-1, 1, *CANVAS)


def moved(x: Tensor, out: Tensor) -> Tensor:
    return 0.8 * x + 0.3 * canvas(out)


def sampled(program: Program) -> Tensor:
    """A run as a host does it: a step, a look at the network, and the canvas once the step is over."""
    run = Run(program, len(START), SIGMAS, lambda sigma: (STEPS - sigma) / STEPS)
    stepper, x = Stepper(run), START.clone()
    for sigma in SIGMAS[:-1]:
        stepper.enter(x, sigma)
        run.calls += 1
        step = run.step(sigma, program.lanes.rows([("positive", 0, None, None)], len(x)))
        x = moved(x, Toy()(tokens(x), TEXT, engine(step)))
    return stepper.leave(x)


def written_out(threshold: float, subtract: tuple, copied: bool, start: float = 0.2) -> Tensor:
    """The authors' way: all maps of all steps are summed up, then cut at the threshold."""
    total, x = 0.0, START.clone()

    def at(site, q, k, v):
        nonlocal total
        p = (q @ k.mT / sqrt(DEPTH)).softmax(-1)
        if site.kind == "cross":
            if copied:
                p = torch.stack([p[i // 3 * 3] @ INSERT if i % 3 else p[i] for i in range(6)])
            total = total + p.mean(1)
        return p @ v

    def mask(words: tuple, pool: bool) -> Tensor:
        maps = torch.stack([total[i][:, list(words[i % 3])].sum(-1).reshape(GRID) for i in range(6)])[:, None]
        maps = interpolate(max_pool2d(maps, 3, 1, 1) if pool else maps, CANVAS)
        most = maps.amax((1, 2, 3), keepdim=True)
        chosen = (maps / torch.where(most > 0, most, 1) > threshold).unflatten(0, (2, 3))
        return (chosen + chosen[:, :1]).flatten(0, 1)

    for number in range(STEPS):
        x = moved(x, Toy()(tokens(x), TEXT, at))
        if number >= int(start * STEPS):
            m = mask(WORDS, True)
            m = (m * ~mask(subtract, False) if subtract else m).double()
            source = x.unflatten(0, (2, 3))[:, :1].expand(-1, 3, -1, -1, -1).flatten(0, 1)
            x = source + m * (x - source)
    return x


@pytest.mark.parametrize("threshold", [0.85, 0.95])
@pytest.mark.parametrize("subtract", [(), SUBTRACT], ids=["words", "words to keep"])
@pytest.mark.parametrize("copied", [False, True], ids=["alone", "with copied maps"])
def test_a_whole_run(threshold, subtract, copied):
    edits = local_blend(WORDS, subtract, threshold, threshold, count=4)  # no 16 sites: those at a quarter of the canvas
    program = Program.of([*edits, *([CopyWords(table=INSERT, windows=ALWAYS)] if copied else [])], LANES)
    x, truth = sampled(program), written_out(threshold, subtract, copied)
    assert far(x, truth) < 1e-10
    kept = [(x[i] == x[i // 3 * 3]).double().mean().item() for i in range(6) if i % 3]
    assert all(0 < share < 1 for share in kept), kept


def test_before_its_start_nothing_is_blended_but_maps_are_read():
    late = local_blend(WORDS, threshold=0.8, start=0.6, count=4)
    truth = written_out(0.8, (), False, start=0.6)
    assert far(sampled(Program.of(late, LANES)), truth) < 1e-10
    assert far(truth, written_out(0.8, (), False)) > 1e-3


def test_nothing_above_the_threshold_is_the_source_to_the_bit():
    x = sampled(Program.of(local_blend(WORDS, threshold=1.0, count=4), LANES))
    assert all(torch.equal(x[i], x[i // 3 * 3]) for i in range(6))


def test_the_source_and_images_without_a_part_stay():
    plain = Lanes(((0, "source", 0), (1, "target", 0)))
    blend = sampled(Program.of(local_blend(WORDS, threshold=0.8, count=4), plain))
    without = sampled(Program.of(local_blend(WORDS, threshold=0.8, count=4, start=0.99, end=0.99), plain))
    assert torch.equal(blend[[0, 2, 3, 4, 5]], without[[0, 2, 3, 4, 5]]) and far(blend[1], without[1]) > 1e-3


def test_no_words_are_no_edit():
    assert local_blend(((), (), ())) == ()


@pytest.mark.parametrize(("count", "found"), [(16, {4, 5, 7, 8, 9}), (70, set(range(34, 64))), (7, None)])
def test_which_sites_are_read(count, found):
    words = local_blend(WORDS, count=count)[0]
    assert isinstance(words, WordMaps) and words.layers == found and LAYERS.get(count) == found


@pytest.mark.parametrize(("size", "grid"), [((64, 64), (16, 16)), ((96, 64), (24, 16)), ((13, 22), (4, 6)), ((128, 128), (32, 32))])
def test_a_quarter_of_any_canvas(size, grid):
    sizes = [(-(-size[0] // f), -(-size[1] // f)) for f in (8, 2, 4, 1)]
    assert quarter(sizes, size) == grid


def test_the_same_twice_is_once_and_others_are_refused():
    one, same, other = (local_blend(WORDS, start=0.0, threshold=t) for t in (0.3, 0.3, 0.5))
    assert len(Program.of([*one, *same], LANES).edits) == 2
    program, rows = Program.of([*one, *other], LANES), LANES.rows([("positive", 0, None, None)], 6)
    with pytest.raises(ConcordError, match="LocalBlend and LocalBlend with two different settings, both set the blend with the source"):
        program.check([], [Run(program, 6).step(3.0, rows)])


def test_a_target_without_a_source_is_refused():
    program = Program.of(local_blend(WORDS, start=0.0), Lanes(((1, "target", 0),)))
    with pytest.raises(ConcordError, match="has no source"):
        program.check([], [Run(program, 2).step(3.0, program.lanes.rows([("positive", 0, None, None)], 2))])


def test_without_maps_it_says_so():
    blend = next(edit for edit in local_blend(WORDS, start=0.0) if isinstance(edit, LocalBlend))
    step = Run(Program.of([blend], LANES), 6).step(1.0, [Row(sample=i, lane=LANE[i % 3], group=i // 3) for i in range(6)])
    with pytest.raises(ConcordError, match="no maps of its words"):
        blend.change(START, replace(step))
