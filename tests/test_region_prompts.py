"""Region prompts: the numbers of the formula, every probability written out, row by row."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from concord.processors.attention.copies import taken
from concord.processors.attention.decoupled import DecoupledTokens
from concord.processors.attention.region_prompts import RegionPrompts, region_prompts
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.program import Plan, columns, execute
from concord.processors.regions import Region
from concord.processors.rows import Row
from concord.processors.run import Run, at_site, rewrite
from concord.processors.schedule import Curve
from concord.tests.engine.toy import far, noise
from concord.tests.region_scene import BOX, CHANNELS, GRID, MASK, REGIONS, SHAPE, SITE, VIEWS, ask, inside, model, probabilities, project, rows, step_of

PROMPTS = tuple(noise(50 + i, 1, 7 * (1 + i % 2), CHANNELS) for i in range(3))  # of unequal length
NEGATIVES = (None, noise(60, 1, 7, CHANNELS), None)


def made(**settings):
    return region_prompts(REGIONS, PROMPTS, NEGATIVES, **settings)


def read(q, k, v):
    return probabilities(q, k) @ v


def truth(row: Row, base_ratio=0.2, strength=1.0, regions=REGIONS, prompts=PROMPTS, negatives=NEGATIVES):
    """Place by place: the prompts of the regions there, by strength, and what they leave to the main one."""
    q, k, v = model(row)
    told = prompts if row.branch == "positive" else negatives
    amounts = [strength * region.strength * inside(region, row.view) if tokens is not None else torch.zeros(GRID[0] * GRID[1])
               for region, tokens in zip(regions, told, strict=True)]
    main, out = read(q, k, v), torch.empty_like(q)
    for place in range(q.shape[-2]):
        total = float(sum(amount[place] for amount in amounts))
        taken = (1 - base_ratio) * min(1.0, total)
        out[:, place] = (1 - taken) * main[:, place]
        for amount, tokens in zip(amounts, told, strict=True):
            if amount[place] > 0:
                rk, rv = project(tokens[row.sample % len(tokens)][None])
                out[:, place] += taken * float(amount[place]) / total * read(q, rk[0], rv[0])[:, place]
    return out


@pytest.mark.parametrize("view", [None, *VIEWS])
@pytest.mark.parametrize("settings", [{}, {"base_ratio": 0.0}, {"base_ratio": 0.7, "strength": 0.4}])
def test_every_row_is_the_formula(view, settings):
    for row, out in zip(rows(view=view), ask(made(**settings), rows(view=view)), strict=True):
        assert far(out, truth(row, **settings)) < 1e-10


def test_windows_in_one_call():
    """A region outside of some windows only."""
    at = (*rows(("positive",), VIEWS[0]), *rows(view=VIEWS[1]))
    for row, out in zip(at, ask(made(), at), strict=True):
        assert far(out, truth(row)) < 1e-10


def test_where_no_region_is_the_main_prompt_alone_is_read():
    out = ask(region_prompts((BOX,), PROMPTS[:1]))
    for row, mine in zip(rows(), out, strict=True):
        free = inside(BOX) == 0
        assert free.any() and far(mine[:, free], read(*model(row))[:, free]) < 1e-12
        assert row.branch == "positive" or far(mine, read(*model(row))) < 1e-12


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_gates_of_a_place_add_up_to_one(dtype):
    step = step_of(made(), rows())
    edit = step.run.program.edits[0]
    gates = edit.gates((None, VIEWS[0]), SITE, step, torch.zeros(1, dtype=dtype))
    assert all(gate is not None and gate.shape == (2, 1, 24, 1) and gate.dtype == dtype for gate in gates)
    assert far(sum(gate.double() for gate in gates), torch.ones(())) < {torch.float64: 1e-12, torch.float32: 1e-6}.get(dtype, 1e-2)


def test_prompts_of_unequal_length_and_split_branches():
    at = (*rows(("positive",), tokens=14), *rows(("negative",)))
    joint = ask(made(), at)
    for row, out in zip(at, joint, strict=True):
        assert far(out, truth(row)) < 1e-10
    assert far(torch.cat([ask(made(), at[:2]), ask(made(), at[2:])]), joint) < 1e-12


def test_two_main_prompts_and_a_prompt_for_each_picture():
    many = (noise(70, 2, 7, CHANNELS), *PROMPTS[1:])
    at = rows(entries=2)
    for row, out in zip(at, ask(region_prompts(REGIONS, many, NEGATIVES), at), strict=True):
        assert far(out, truth(row, prompts=many)) < 1e-10


def test_thirty_two_regions():
    boxes = tuple(Region(box=(x / 8, y / 4, (x + 1.5) / 8, (y + 1.5) / 4), strength=1 + x) for x in range(8) for y in range(4))
    prompts = tuple(noise(200 + i, 1, 7, CHANNELS) for i in range(32))
    for row, out in zip(rows(), ask(region_prompts(boxes, prompts)), strict=True):
        assert far(out, truth(row, regions=boxes, prompts=prompts, negatives=(None,) * 32)) < 1e-10


def test_strength_over_the_run():
    fading = replace(BOX, curve=Curve.parse("0:1, 0.5:0"))
    edits = region_prompts((fading, SHAPE), PROMPTS[:2])
    for progress in (0.0, 0.2, 0.5):
        now = (replace(BOX, strength=1 - 2 * progress), SHAPE)
        for row, out in zip(rows(), ask(edits, progress=progress), strict=True):
            assert far(out, truth(row, regions=now, prompts=PROMPTS[:2], negatives=(None, None))) < 1e-10
    alone, = region_prompts((fading,), PROMPTS[:1])
    assert [alone.active(step_of((alone,), rows(), progress=progress)) for progress in (0.0, 0.4, 0.5, 1.0)] == [True, True, False, False]


def test_keys_are_made_once_a_run():
    calls = []

    def counted(tokens):
        calls.append(tokens)
        return project(tokens)

    run, site = Run(Program.of(made()), 2), replace(SITE, project=counted)
    for _ in range(3):
        ask((), site=site, run=run)
        ask((), rows(("positive",)), site=site, run=run)
    assert len(calls) == 4  # three prompts, one negative


def test_adapters_stand_beside_all_regions():
    """A further term is asked with the model's own q, whatever the regions do."""
    tokens = DecoupledTokens(tokens=noise(80, 1, 4, CHANNELS), weight=0.6)
    k, v = project(tokens.tokens)
    for row, out in zip(rows(), ask((*made(), tokens)), strict=True):
        more = 0.6 * read(model(row)[0], k[0], v[0]) if row.branch == "positive" else 0.0
        assert far(out, truth(row) + more) < 1e-10


def test_copies_take_all_terms_as_they_are_finished():
    """What Prompt-to-Prompt's target takes: the source's places for the main prompt and for every region, with its own values."""
    at = rows(("positive",))
    plan, step = planned(made(), at, v=noise(90, 2, 2, 7, 8))
    plan = plan.change((1,), lambda mine, theirs: taken(mine, theirs, None, step), (0,))
    q, k, _ = model(at[0])
    main = 1 - 0.8 * covered()
    expected = truth(at[0]) + main[:, None] * probabilities(q, k) @ (noise(90, 2, 2, 7, 8)[1] - model(at[0])[2])
    assert far(execute(plan)[1], expected) < 1e-10


def planned(edits, at, v=None):
    """What the site is going to compute."""
    step = step_of(edits, at)
    q, k, own = (torch.stack(t) for t in zip(*map(model, at), strict=True))
    return rewrite(at_site(step.run.program, SITE, step), Plan.of(q, k, own if v is None else v), SITE, step), step


def covered():
    """How much of each place the regions take together."""
    return sum(inside(region) * region.strength for region in REGIONS).clamp(max=1)


def test_probes_count_what_the_main_prompt_keeps():
    """A word of the main prompt is not looked at where another prompt is read."""
    at = rows(("positive",))
    plan, _ = planned(made(base_ratio=0.0), at)
    q, k, _ = model(at[0])
    assert far(columns(plan.groups[0], (2,))[0, ..., 0], probabilities(q, k)[..., 2] * (1 - covered())) < 1e-12


def test_neutral_and_refused():
    assert not Program.of(made(strength=0.0)) and not Program.of(made(base_ratio=1.0)) and region_prompts(REGIONS, (None,) * 3) == ()
    assert len(Program.of((*made(), *made())).edits) == 2  # the same twice is once
    with pytest.raises(ConcordError, match="'cat' has the strength -1"):
        region_prompts((replace(BOX, strength=-1.0),), PROMPTS[:1])
    other = Program.of((*made(), *region_prompts((MASK,), PROMPTS[:1])))
    with pytest.raises(ConcordError, match="Region prompts and Region prompts with two different settings, both set the prompts of the regions"):
        Run(other, 2, (10.0, 0.0), lambda sigma: 0.0).check([SITE])
    assert isinstance(made()[0], RegionPrompts)
