"""Paint with words: the published formula written out, every law of it, row by row."""
from __future__ import annotations

import json
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
import torch
from concord.processors.attention.paint_with_words import LAWS, paint_with_words
from concord.processors.attention.region_prompts import region_prompts
from concord.processors.attention.score_size import SCOPES
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.program import Plan, columns
from concord.processors.regions import Region
from concord.processors.rows import Row, Site
from concord.processors.run import attention, rewrite
from concord.processors.schedule import Curve
from concord.tests.engine.toy import far, noise
from concord.tests.region_scene import BOX, CHANNELS, GRID, MASK, SHAPE, SITE, TEXT, VIEWS, ask, inside, model, probabilities, project, rows, step_of

AIMS = ((BOX, (1, 2)), (SHAPE, (4,)), (MASK, (2, 5)))  # token 2 belongs to two of them
RECORDED = json.loads((Path(__file__).parent / "recorded" / "paint_with_words.json").read_text())
WRITTEN = {  # law -> its amount at a sigma, and the size of the unscaled scores q k^T
    "0.1 log(1 + sigma) max": (lambda s: 0.1 * log(1 + s), torch.Tensor.max),
    "0.4 log(1 + sigma) max": (lambda s: 0.4 * log(1 + s), torch.Tensor.max),
    "0.4 log(1 + sigma) std": (lambda s: 0.4 * log(1 + s), torch.Tensor.std),
    "0.4 log(1 + sigma^2) std": (lambda s: 0.4 * log(1 + s * s), torch.Tensor.std),
    "log(1 + sigma) max": (lambda s: log(1 + s), torch.Tensor.max),
    "0.4 log(1 + log(1.01 + sigma)) max of the words": (lambda s: 0.4 * log(log(s + 1.01) + 1), None),
    "0.4 log(1.01 + sigma) max of the words": (lambda s: 0.4 * log(s + 1.01), None),
    "0.1 max": (lambda s: 0.1, torch.Tensor.max),
}


def bias(row: Row, scores, law: str, outside=0.0, sigma=3.0, strength=1.0, aims=AIMS):
    """[N, M]: what is added to the unscaled scores; scores [.., N, M] are those that are measured."""
    of_sigma, measure = WRITTEN[law]
    total = torch.zeros(GRID[0] * GRID[1], row.tokens or TEXT, dtype=torch.float64)
    for region, tokens in aims:
        size = measure(scores) if measure else scores[..., list(tokens)].max()
        shown = inside(region, row.view)
        for token in tokens:
            total[:, token] += strength * region.strength * of_sigma(sigma) * size * (shown - outside * (1 - shown))
    return total


def truth(row: Row, law: str, scope: str = "picture", together=(), **how):
    q, k, v = model(row)
    if row.branch == "negative" or row.entry:
        return probabilities(q, k) @ v
    scores = q @ k.mT
    if scope == "head":
        added = torch.stack([bias(row, head, law, **how) for head in scores])
    else:
        same = torch.stack([model(other)[0] @ model(other)[1].mT for other in together]) if scope == "batch" else scores
        added = bias(row, same, law, **how)
    return probabilities(q, k, added) @ v


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("scope", SCOPES)
def test_every_row_is_the_formula(law, scope):
    at = rows(entries=2)
    together = [row for row in at if row.branch == "positive" and not row.entry]
    for row, out in zip(at, ask(paint_with_words(AIMS, law=law, scope=scope), at), strict=True):
        assert far(out, truth(row, law, scope, together)) < 1e-10


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("law", [next(iter(LAWS)), "0.4 log(1.01 + sigma) max of the words"])
def test_windows_and_pushing_out(view, law):
    at = rows(view=view)
    for row, out in zip(at, ask(paint_with_words(AIMS, 1.3, law, outside=0.5), at, sigma=0.8), strict=True):
        assert far(out, truth(row, law, outside=0.5, sigma=0.8, strength=1.3)) < 1e-10


def test_what_the_authors_code_computes():
    """Numbers of `inj_forward` of cloneofsimo/paint-with-words-sd (see the file), run on the same random q, k, v with projections left out; its weights
    are float32, and its measure is over all pictures and heads."""
    case = RECORDED["case"]
    q, k, v = (noise(seed, *case["shape"][:2], size, case["shape"][3]).float() for seed, size in zip(case["seeds"], (24, 7, 7), strict=True))
    box = Region(box=tuple(case["box"]), strength=case["weight"])
    at = rows(("positive",), samples=len(q))
    for law, numbers in RECORDED["laws"].items():
        step = step_of(paint_with_words([(box, tuple(case["tokens"]))], law=law, scope="batch"), at, sigma=case["sigma"])
        out = attention(step.run.program.edits, Site("cross", 0, heads=case["shape"][1], grid=GRID), step, q, k, v)
        assert out.flatten()[:: case["every"]].tolist() == pytest.approx(numbers, rel=1e-5, abs=1e-6)


def test_the_measure_of_the_batch_does_not_depend_on_how_a_call_is_split():
    at = (*rows(("positive",), tokens=14), *rows(("negative",)))
    edits = paint_with_words(AIMS, scope="batch")
    assert far(torch.cat([ask(edits, at[:2]), ask(edits, at[2:])]), ask(edits, at)) < 1e-12


def test_only_the_measure_of_the_batch_depends_on_the_other_pictures():
    alone = rows(("positive",), samples=1)
    for scope in SCOPES:
        edits = paint_with_words(AIMS, scope=scope)
        assert (far(ask(edits, alone)[0], ask(edits, rows())[0]) < 1e-12) == (scope != "batch")


def test_in_a_region_its_word_is_looked_at_more_and_the_more_the_noisier():
    masses = []
    for sigma in (0.0, 0.5, 3.0, 14.0):
        step = step_of(paint_with_words(AIMS[:1]), rows(("positive",)), sigma=sigma)
        q, k, v = (torch.stack(t) for t in zip(*map(model, rows(("positive",))), strict=True))
        plan = rewrite(step.run.program.edits, Plan.of(q, k, v), SITE, step)
        seen = columns(plan.groups[0], (1, 2)).sum(-1).mean((0, 1))
        masses.append(float((seen * inside(BOX)).sum() / seen.sum()))
    assert masses == sorted(masses) and masses[-1] > masses[0] + 0.1
    assert far(ask(paint_with_words(AIMS), sigma=0.0), ask(())) < 1e-12


def test_amounts_add_up_and_negative_ones_push_away():
    same = ask(paint_with_words(AIMS, 2.0))
    assert far(ask((*paint_with_words(AIMS, 0.5), *paint_with_words(AIMS, 1.5))), same) < 1e-12
    away = ask(paint_with_words([(replace(BOX, strength=-1.0), (1,))]))
    aims = [(replace(BOX, strength=-1.0), (1,))]
    assert far(away[0], truth(rows()[0], next(iter(LAWS)), aims=aims)) < 1e-10


def test_inside_region_prompts_only_the_main_prompt_is_painted():
    """The words of a region's own prompt are counted anew: they are not those of the main one."""
    both = ask((*region_prompts((BOX,), (noise(50, 1, 7, CHANNELS),), base_ratio=0.3), *paint_with_words(AIMS)))
    k, v = project(noise(50, 1, 7, CHANNELS))
    for row, out in zip(rows(), both, strict=True):
        share = 0.7 * inside(BOX)[:, None] * (row.branch == "positive")
        own = truth(row, next(iter(LAWS)))
        assert far(out, (1 - share) * own + share * (probabilities(model(row)[0], k[0]) @ v[0])) < 1e-10


def test_strength_over_the_run_and_neutral():
    fading = paint_with_words([(replace(BOX, curve=Curve.parse("0:1, 0.5:0")), (1,))])
    half = paint_with_words([(replace(BOX, strength=0.5), (1,))])
    assert far(ask(fading, progress=0.25), ask(half)) < 1e-12 and not fading[0].active(step_of(fading, rows(), progress=0.5))
    assert not Program.of((*paint_with_words(AIMS, 0.0), *paint_with_words([])))


@pytest.mark.parametrize("dtype,close", [(torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)])
def test_other_precisions(dtype, close):
    at = rows(("positive",))
    for law in LAWS:
        step = step_of(paint_with_words(AIMS, law=law), at)
        q, k, v = (torch.stack(t).to(dtype) for t in zip(*map(model, at), strict=True))
        out, expected = attention(step.run.program.edits, SITE, step, q, k, v), ask(paint_with_words(AIMS, law=law), at)
        assert out.dtype == dtype and far(out.double(), expected) < close * float(expected.abs().max())


def test_refused():
    with pytest.raises(ConcordError, match="token 9 of the prompt, but the prompt at cross-attention 5 .* has 7"):
        ask(paint_with_words([(BOX, (9,))]))
    with pytest.raises(ConcordError, match="law 'x' of 'picture'"):
        paint_with_words(AIMS, law="x")
