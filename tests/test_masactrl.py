"""MasaCtrl: the numbers of the authors' formula (Cao et al., arXiv 2304.08465), every probability written out, row by row."""
from __future__ import annotations

from math import sqrt

import pytest
import torch
from concord.processors.attention.masactrl import DECODER, masactrl
from concord.processors.conditions.lanes import roles
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.probe import WordMaps
from concord.processors.rows import Row, Site, View
from concord.processors.run import Run, Step, at_site, attention
from concord.tests.engine.toy import far, noise
from torch import Tensor
from torch.nn.functional import interpolate

H, D, GRID, TEXT = 2, 8, (4, 6), 7
N = GRID[0] * GRID[1]
LANES = roles(2, 1)
BOTH = ("positive", "negative")
WINDOW = View(2, 4, 8, 12, (16, 24))
MASKS = (noise(1, 2, 16, 24) > 0).double(), (noise(2, 2, 16, 24) > 0.3).double()
SELF, CROSS = Site("self", 9, "up", H, GRID), Site("cross", 8, "up", H, GRID)
WORDS = ((1, 2), (2,))  # of source and target


def model(row: Row, text: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v of one row, whatever call it is in."""
    seed = 100 * BOTH.index(row.branch) + 10 * row.sample + 1000 * text
    return tuple(noise(seed + i, 1, H, n, D)[0] for i, n in enumerate((N, *[TEXT if text else N] * 2)))


def rows(branches=BOTH, view: View | None = None) -> tuple[Row, ...]:
    return LANES.rows([(branch, 0, view, None) for branch in branches], 4)


def ask(site: Site, step: Step) -> Tensor:
    q, k, v = (torch.stack(t) for t in zip(*(model(row, site.kind == "cross") for row in step.rows), strict=True))
    return attention(at_site(step.run.program, site, step), site, step, q, k, v)


def ours(variant: str, at=rows(), run: Run | None = None, **settings) -> Tensor:
    """At the first self-attention after a cross-attention."""
    run = run or Run(Program.of(masactrl(variant, (0.0, 1.0), None, **settings), LANES), 4)
    step = run.step(1.0, at)
    ask(CROSS, step)
    return ask(SELF, step)


def softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / sqrt(D)).softmax(-1) @ v


def divided(q: Tensor, k: Tensor, v: Tensor, inside: Tensor, gate: Tensor) -> Tensor:
    """The keys of each part alone, each where the gate says; of no keys at all: all of them."""
    part = lambda keys: softmax(q, k[:, keys], v[:, keys]) if keys.any() else softmax(q, k, v)
    return gate[:, None] * part(inside) + (1 - gate)[:, None] * part(~inside)


def truth(variant: str, row: Row, foreground=None) -> Tensor:
    q, k, v = model(row)
    if row.lane == "source":
        return softmax(q, k, v)
    _, ks, vs = model(row._replace(sample=row.sample - 1))
    if variant == "union":
        return softmax(q, torch.cat([ks, k], -2), torch.cat([vs, v], -2))
    return softmax(q, ks, vs) if foreground is None else divided(q, ks, vs, *foreground(row))


def nearest(mask: Tensor, grid=GRID) -> Tensor:
    return interpolate(mask[None, None], grid).flatten()


def user(row: Row) -> tuple[Tensor, Tensor]:
    masks = [mask[row.group] if row.view is None else row.view.crop(mask[row.group]) for mask in MASKS]
    return nearest(masks[0]) >= 0.5, nearest(masks[1])


def looked_at(row: Row, lane: int) -> Tensor:
    """Where the words of the source (0) or the target (1) of a row's group are looked at: the authors' map, scaled to 0..1."""
    q, k, _ = model(row._replace(branch="positive", sample=2 * row.group + lane), text=True)
    heat = (q @ k.mT / sqrt(D)).softmax(-1).mean(0)[:, list(WORDS[lane])].sum(-1)
    return (heat - heat.min()) / (heat.max() - heat.min())


def words(threshold: float):
    return lambda row: (looked_at(row, 0) >= threshold, (looked_at(row, 1) >= threshold).double())


def found(threshold: float = 0.3, **settings) -> dict:
    return dict(maps=WordMaps(tokens=WORDS, live=True), threshold=threshold, **settings)


CASES = {"plain": ({}, None), "union": ({}, None), "masks": ({"masks": MASKS}, user), "words": (found(), words(0.3))}
each = pytest.mark.parametrize("variant", CASES)


@each
def test_every_row_is_the_formula(variant):
    settings, foreground = CASES[variant]
    for row, out in zip(rows(), ours(variant, **settings), strict=True):
        assert far(out, truth(variant, row, foreground)) < 1e-10


@each
def test_the_source_is_left_alone(variant):
    out = ours(variant, **CASES[variant][0])
    assert all(far(out[i], softmax(*model(row))) < 1e-12 for i, row in enumerate(rows()) if row.lane == "source")


@each
def test_split_branches(variant):
    """The positive first, as a technique that leads asks for."""
    settings, _ = CASES[variant]
    run = Run(Program.of(masactrl(variant, (0.0, 1.0), None, **settings), LANES), 4)
    assert run.step(1.0, ()).leads == ("positive" if variant == "words" else "")
    split = [ours(variant, rows((branch,)), run) for branch in BOTH]
    assert far(torch.cat(split), ours(variant, **settings)) < 1e-12


def test_masks_are_seen_through_windows():
    at = rows(view=WINDOW)
    for row, out in zip(at, ours("masks", at, masks=MASKS), strict=True):
        assert far(out, truth("masks", row, user)) < 1e-10


def test_one_mask_serves_all_groups():
    one = tuple(mask[0] for mask in MASKS)
    assert far(ours("masks", masks=one), ours("masks", masks=tuple(mask[None].expand(2, -1, -1) for mask in one))) == 0


@pytest.mark.parametrize("value", (0.0, 1.0))
@pytest.mark.parametrize("dtype", (torch.float64, torch.float32, torch.float16, torch.bfloat16))
def test_an_empty_set_of_keys_hides_nothing(value, dtype):
    """The authors' softmax becomes even over all keys there; here it looks at all of them."""
    masks = torch.full((1, 8, 8), value), torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    run = Run(Program.of(masactrl("masks", (0.0, 1.0), None, masks=masks), LANES), 4)
    step = run.step(1.0, rows())
    q, k, v = (torch.stack(t).to(dtype) for t in zip(*map(model, rows()), strict=True))
    out = attention(at_site(run.program, SELF, step), SELF, step, q, k, v)
    plain = ours("plain")
    assert out.dtype == dtype and far(out.double(), plain) < {torch.float64: 1e-12, torch.float32: 1e-5}.get(dtype, 3e-2)


def test_the_foreground_does_not_know_the_background():
    """What stands outside of the source's mask cannot change what the target's foreground looks like."""
    out = ours("masks", masks=MASKS)
    for i, row in enumerate(rows()):
        if row.lane == "target":
            inside, gate = user(row)
            q, k, v = model(row._replace(sample=row.sample - 1))
            k[:, ~inside] += 10
            assert far(out[i][:, gate == 1], softmax(model(row)[0], k[:, inside], v[:, inside])[:, gate == 1]) < 1e-10


def test_before_the_first_map_words_mask_nothing():
    run = Run(Program.of(masactrl("words", (0.0, 1.0), None, **found()), LANES), 4)
    assert far(ask(SELF, run.step(1.0, rows())), ours("plain")) < 1e-12


def test_words_that_are_looked_at_everywhere_alike_are_no_foreground():
    """A map without a highest place is not divided by zero."""
    run = Run(Program.of(masactrl("words", (0.0, 1.0), None, **found()), LANES), 4)
    step = run.step(1.0, rows())
    even = torch.zeros(8, H, N, D, dtype=torch.float64)
    attention(at_site(run.program, CROSS, step), CROSS, step, even, even[:, :, :TEXT], even[:, :, :TEXT])
    assert far(ask(SELF, step), ours("plain")) < 1e-12


def test_the_positive_branch_alone():
    out = ours("plain", branches=frozenset({"positive"}))
    for i, row in enumerate(rows()):
        expected = truth("plain", row) if row.branch == "positive" else softmax(*model(row))
        assert far(out[i], expected) < 1e-12


def test_the_same_picture_twice_stays_the_same():
    q, k, v = (torch.stack(t) for t in zip(*(model(row._replace(sample=2 * row.group)) for row in rows()), strict=True))
    run = Run(Program.of(masactrl("plain", (0.0, 1.0), None), LANES), 4)
    out = attention(at_site(run.program, SELF, run.step(1.0, rows())), SELF, run.step(1.0, rows()), q, k, v)
    assert torch.equal(out[0], out[1]) and torch.equal(out[6], out[7])


def test_the_authors_layers_and_steps():
    """Layer 10 of 16 on, in XL 64 of 70; step 4 of 50."""
    edit, = masactrl()
    assert [i for i in range(16) if edit.covers(Site("self", i))] == list(range(10, 16)) and min(DECODER[70]) == 64
    ddim = [(999 - (981 - 20 * i)) / 999 for i in range(50)]
    active = [i for i, progress in enumerate(ddim) if edit.active(Step((), progress=progress))]
    assert active == list(range(4, 50))


def test_an_empty_window_is_neutral():
    for variant, (settings, _) in CASES.items():
        assert not Program.of(masactrl(variant, (1.0, 1.0), **settings))


@pytest.mark.parametrize("variant,said", [("masks", "needs masks"), ("words", "needs the words"),
                                          ("mixed", "knows no 'mixed'; there are plain, union, masks, words")])
def test_what_is_missing_is_said(variant, said):
    with pytest.raises(ConcordError, match=said):
        masactrl(variant)
