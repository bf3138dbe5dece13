"""Forward guidance: the columns of the formula written out, row by row."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from concord.processors.attention.forward_guidance import LAMBDA, forward_guidance
from concord.processors.attention.region_prompts import region_prompts
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.regions import Region
from concord.processors.rows import Row, View
from concord.processors.run import attention
from concord.processors.schedule import Curve
from concord.tests.engine.toy import far, noise
from concord.tests.region_scene import BOX, CHANNELS, MASK, SHAPE, SITE, TEXT, VIEWS, ask, inside, model, probabilities, project, rows, step_of

AIMS = ((BOX, (1, 2)), (SHAPE, (4,)))
FILLERS = {"start": (0,), "end": (5, 6)}
ALL = {"window": (0.0, 1.0)}


def window(shown: torch.Tensor) -> torch.Tensor:
    """g: of sum 1, or nothing."""
    return shown / shown.sum() if shown.sum() > 0 else shown


def moved(p: torch.Tensor, row: Row, strength=1.0, aims=AIMS, start=(), end=()) -> torch.Tensor:
    """[H, N, M]: the maps with the columns of words moved."""
    changed = p.clone()
    together = torch.stack([inside(region, row.view) for region, _ in aims]).amax(0)
    where = [(inside(region, row.view), tokens) for region, tokens in aims] + [(1 - together, start), (together, end)]
    for shown, tokens in where:
        g, much = window(shown)[:, None], min(1.0, LAMBDA * strength)
        for token in tokens:
            column = p[..., token : token + 1]
            changed[..., token : token + 1] = (1 - much) * column + much * g * column.sum(-2, keepdim=True)
    return changed


def truth(row: Row, **how) -> torch.Tensor:
    q, k, v = model(row)
    p = probabilities(q, k)
    return (p if row.branch == "negative" or row.entry else moved(p, row, **how)) @ v


def even(aims=AIMS):
    return tuple((replace(region, strength=1.0), tokens) for region, tokens in aims)


@pytest.mark.parametrize("view", [None, *VIEWS])
@pytest.mark.parametrize("how", [{}, FILLERS, {"strength": 0.5, **FILLERS}, {"strength": 9.0}])
def test_every_row_is_the_formula(view, how):
    at = rows(view=view, entries=2)
    for row, out in zip(at, ask(forward_guidance(even(), **how, **ALL), at), strict=True):
        assert far(out, truth(row, aims=even(), **how)) < 1e-10


def test_columns_keep_their_sums():
    p = probabilities(*model(rows()[0])[:2])
    changed = moved(p, rows()[0], aims=even(), **FILLERS)
    assert far(changed.sum(-2), p.sum(-2)) < 1e-12 and far(changed.sum(-1), p.sum(-1)) > 0.1


def test_strengths_of_regions():
    """0.7 of one region is 0.7 of lambda for its words; the others keep theirs."""
    for row, out in zip(rows(), ask(forward_guidance(AIMS, **ALL)), strict=True):
        q, k, v = model(row)
        p = probabilities(q, k)
        if row.branch == "positive":
            p = moved(moved(p, row, aims=AIMS[:1]), row, strength=0.7, aims=AIMS[1:])
        assert far(out, p @ v) < 1e-10


def test_a_word_of_two_regions_goes_to_both():
    aims = ((replace(BOX, strength=1.0), (1, 2)), (replace(MASK, strength=1.0), (2, 3)))
    row = rows()[0]
    q, k, v = model(row)
    p, both = probabilities(q, k), torch.maximum(inside(BOX), inside(MASK))
    expected = moved(p, row, aims=((BOX, (1,)), (replace(MASK, strength=1.0), (3,))))
    expected[..., 2] = (1 - LAMBDA) * p[..., 2] + LAMBDA * window(both) * p[..., 2].sum(-1, keepdim=True)
    assert far(ask(forward_guidance(aims, **ALL))[0], expected @ v) < 1e-10


def test_windows_in_one_call_and_one_without_the_region():
    far_away = View(0, 16, 8, 8, (16, 24))
    aims = ((Region(box=(0.0, 0.0, 0.4, 1.0)), (1,)),)
    at = (*rows(("positive",), far_away), *rows(view=VIEWS[0]))
    assert not inside(aims[0][0], far_away).any()
    for row, out in zip(at, ask(forward_guidance(aims, **FILLERS, **ALL), at), strict=True):
        assert far(out, truth(row, aims=aims, **FILLERS)) < 1e-10


def test_split_branches_and_prompts_of_unequal_length():
    at = (*rows(("positive",), tokens=14), *rows(("negative",)))
    edits = forward_guidance(even(), **FILLERS, **ALL)
    for row, out in zip(at, ask(edits, at), strict=True):
        assert far(out, truth(row, aims=even(), **FILLERS)) < 1e-10
    assert far(torch.cat([ask(edits, at[:2]), ask(edits, at[2:])]), ask(edits, at)) < 1e-12


def test_inside_region_prompts_only_the_main_prompt_is_moved():
    both = ask((*region_prompts((BOX,), (noise(50, 1, TEXT, CHANNELS),), base_ratio=0.3), *forward_guidance(even(), **ALL)))
    k, v = project(noise(50, 1, TEXT, CHANNELS))
    for row, out in zip(rows(), both, strict=True):
        q, mk, mv = model(row)
        share, p = 0.7 * inside(BOX)[:, None] * (row.branch == "positive"), probabilities(q, mk)
        main = (1 - share) * p
        main = moved(main, row, aims=even()) if row.branch == "positive" else main
        assert far(out, main @ mv + share * (probabilities(q, k[0]) @ v[0])) < 1e-10


def test_over_the_run_and_neutral():
    fading = forward_guidance([(replace(BOX, curve=Curve.parse("0:1, 0.5:0")), (1,))], **ALL)
    half = forward_guidance([(replace(BOX, strength=0.5), (1,))], **ALL)
    assert far(ask(fading, progress=0.25), ask(half)) < 1e-12 and not fading[0].active(step_of(fading, rows(), progress=0.5))
    early = forward_guidance(AIMS)[0]
    assert [early.active(step_of((early,), rows(), progress=progress)) for progress in (0.0, 0.19, 0.2)] == [True, True, False]
    assert not Program.of((*forward_guidance(AIMS, 0.0), *forward_guidance([])))
    hidden = forward_guidance([(replace(BOX, strength=-1.0), (1,))], **ALL)
    assert far(ask(hidden), ask(())) < 1e-12


@pytest.mark.parametrize("dtype,close", [(torch.float32, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)])
def test_other_precisions(dtype, close):
    at = rows(("positive",))
    edits = forward_guidance(even(), **FILLERS, **ALL)
    step = step_of(edits, at)
    q, k, v = (torch.stack(t).to(dtype) for t in zip(*map(model, at), strict=True))
    out, expected = attention(step.run.program.edits, SITE, step, q, k, v), ask(edits)[:2]
    assert out.dtype == dtype and far(out.double(), expected) < close * float(expected.abs().max())


def test_refused():
    with pytest.raises(ConcordError, match="token 9 of the prompt, but the prompt at cross-attention 5 .* has 7"):
        ask(forward_guidance([(BOX, (9,))], **ALL))
