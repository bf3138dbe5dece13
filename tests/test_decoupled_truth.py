"""DecoupledCrossAttn: the numbers of IP-Adapter's formula (Ye et al., arXiv 2308.06721, equation 5), every probability written out, row by row."""
from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from math import sqrt

import pytest
import torch
from concord.processors.attention.decoupled import VALUE_SCALINGS, DecoupledTokens
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.rows import Row, Site, View
from concord.processors.run import Run, at_site, attention
from concord.processors.schedule import Curve
from concord.tests.engine.toy import far, heads, noise
from torch import Tensor
from torch.nn.functional import interpolate

HEADS, DEPTH, GRID, WIDTH, TEXT = 2, 8, (4, 6), 12, 7
INNER, CANVAS = HEADS * DEPTH, (8, 12)


@dataclass(frozen=True)
class Handle:
    """A projection for each cross-attention of a model with 16."""

    id: str = "handle"
    count: int = 16

    def weights(self, number: int) -> tuple[Tensor, Tensor]:
        return noise(number, WIDTH, INNER) / 3, noise(number + 50, WIDTH, INNER) / 3

    def project(self, number: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        k, v = self.weights(number)
        return tokens @ k.to(tokens), tokens @ v.to(tokens)


def site(index: int = 8, stage: str = "up") -> Site:
    own = noise(999, WIDTH, INNER) / 3, noise(998, WIDTH, INNER) / 3
    return Site("cross", index, stage, HEADS, GRID, lambda tokens: tuple(heads(tokens @ w) for w in own))


NUMBER = {0: 0, 5: 5, 6: 15, 7: 6, 8: 7, 15: 14}  # a site in execution order -> its layer in a file: down, up, and the middle one last
TOKENS, NEGATIVE, LONGER = noise(1, 3, 4, WIDTH), noise(2, 1, 4, WIDTH), noise(3, 2, 5, WIDTH)
MASK = (noise(4, 2, *CANVAS) > 0).double() * torch.tensor([1.0, 0.75], dtype=torch.float64)[:, None, None]
WINDOW = View(2, 4, 6, 8, CANVAS)
ROWS = tuple(Row(branch, sample) for branch in ("positive", "negative") for sample in range(4))
SOME = (Row("positive", 2), Row("negative", 0, view=WINDOW), Row("positive", 1, view=WINDOW), Row("style", 5), Row("negative", 3), Row("positive", 0))


def model(row: Row) -> tuple[Tensor, Tensor, Tensor]:
    """q [H, N, D], k, v [H, M, D] of a row, whatever call it is in."""
    seed = 100 * ("positive", "negative", "style").index(row.branch) + row.sample
    return tuple(noise(seed + i, 1, HEADS, n, DEPTH)[0] for i, n in ((1000, GRID[0] * GRID[1]), (2000, TEXT), (3000, TEXT)))


def ours(*edits: DecoupledTokens, rows: tuple[Row, ...] = ROWS, at: Site | None = None, sigma: float = 0.5, run: Run | None = None) -> Tensor:
    run = run or Run(Program.of(edits), 4, progress_of=lambda sigma: 1 - sigma)
    at, step = at or site(), run.step(sigma, rows)
    q, k, v = (torch.stack(t) for t in zip(*map(model, rows), strict=True))
    return attention(at_site(run.program, at, step), at, step, q, k, v)


def softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / sqrt(DEPTH)).softmax(-1) @ v


def truth(edit: DecoupledTokens, row: Row, at: Site, progress: float = 0.5, out: Tensor | None = None) -> Tensor:
    q, k, v = model(row)
    out = softmax(q, k, v) if out is None else out
    bank = edit.negative if row.branch == "negative" else edit.tokens
    if bank is None:
        return out
    tokens = bank[row.sample % len(bank)]
    k, v = (heads((tokens @ w)[None])[0] for w in Handle().weights(NUMBER[at.index])) if edit.projections else (t[0] for t in at.project(tokens[None]))
    weight = edit.weight * (edit.layer_weights[at.index] if edit.layer_weights else 1) * (edit.curve.at(progress) if edit.curve else 1)
    penalty = INNER / 1280 if "penalty" in edit.value_scaling else 1
    mean = v.mean(1, keepdim=True)
    added = {"V only": lambda: weight * softmax(q, k, v), "K+V": lambda: softmax(q, weight * k, weight * v),
             "K+V w/ C penalty": lambda: softmax(q, weight * penalty * k, weight * penalty * v),
             "K+mean(V) w/ C penalty": lambda: softmax(q, weight * penalty * k, v - mean + weight * penalty * mean)}[edit.value_scaling]()
    if edit.mask is not None:
        mask = edit.mask[row.sample % len(edit.mask)]
        mask = mask if row.view is None else mask[WINDOW.y : WINDOW.y + WINDOW.h, WINDOW.x : WINDOW.x + WINDOW.w]
        added = added * interpolate(mask[None, None], GRID, mode="area").reshape(-1, 1)
    return out + added


SETTINGS = {
    "one picture": {"tokens": TOKENS[:1]},
    "one for each sample": {"tokens": TOKENS, "negative": NEGATIVE},
    "a longer negative": {"tokens": TOKENS, "negative": LONGER},
    "the model's own projection": {"tokens": TOKENS, "negative": NEGATIVE, "projections": None},
    "a mask": {"tokens": TOKENS, "negative": NEGATIVE, "mask": MASK[:1]},
    "a mask for each sample": {"tokens": TOKENS[:1], "negative": LONGER, "mask": MASK},
    "layers and a curve": {"tokens": TOKENS, "negative": NEGATIVE, "layer_weights": tuple(i / 16 for i in range(16)), "curve": Curve.parse("0:1, 1:0.2")},
    "a masked curve": {"tokens": TOKENS, "negative": NEGATIVE, "mask": MASK, "curve": Curve.parse("0:0.3, 1:-1")},
    **{how: {"tokens": TOKENS, "negative": NEGATIVE, "mask": MASK, "value_scaling": how} for how in VALUE_SCALINGS},
}
each_setting = pytest.mark.parametrize("name", SETTINGS)


def edit(name: str = "one for each sample", weight: float = 0.7, **changes) -> DecoupledTokens:
    return DecoupledTokens(**{"projections": Handle(), "weight": weight, **SETTINGS[name], **changes})


@pytest.mark.parametrize("rows", (ROWS, SOME), ids=("joint", "mixed"))
@each_setting
def test_every_row_is_the_formula(name, rows):
    for index in NUMBER:
        expected = torch.stack([truth(edit(name), row, site(index)) for row in rows])
        assert far(ours(edit(name), rows=rows, at=site(index)), expected) < 1e-10, index


@each_setting
def test_a_second_step_and_a_second_call_of_a_run_are_the_formula_too(name):
    run = Run(Program.of([edit(name)]), 4, progress_of=lambda sigma: 1 - sigma)
    for sigma, rows in ((0.9, ROWS), (0.4, ROWS), (0.4, SOME), (0.9, ROWS[4:]), (0.1, ROWS)):
        assert far(ours(rows=rows, sigma=sigma, run=run), torch.stack([truth(edit(name), row, site(), 1 - sigma) for row in rows])) < 1e-10


@each_setting
def test_rows_in_calls_of_their_own_and_in_any_order_are_the_same(name):
    together = dict(zip(ROWS, ours(edit(name)), strict=True))
    for order in (ROWS[:4], ROWS[4:], ROWS[::-1], (*ROWS[1::2], *ROWS[::2]), *((row,) for row in ROWS)):
        assert far(ours(edit(name), rows=order), torch.stack([together[row] for row in order])) < 1e-12


def test_adapters_add_up_in_any_order_to_the_bit():
    edits = [edit(), edit("a longer negative", 0.3), edit("a mask", -0.5), edit()]
    first, *others = (ours(*order) for order in permutations(edits))
    assert all(torch.equal(first, other) for other in others)
    expected = []
    for row in ROWS:
        out = None
        for one in edits:
            out = truth(one, row, site(), out=out)
        expected.append(out)
    assert far(first, torch.stack(expected)) < 1e-10


def test_the_order_of_tokens_does_not_count():
    shuffled = {"tokens": TOKENS[:, [2, 0, 3, 1]], "negative": NEGATIVE[:, [3, 2, 1, 0]]}
    assert far(ours(edit()), ours(edit(**shuffled))) < 1e-12
    assert edit().id != edit(**shuffled).id


@pytest.mark.parametrize("size", ((4, 6), (8, 12), (5, 7), (64, 48), (1, 1)), ids=str)
def test_masks_of_any_size_and_batch(size):
    for count in (1, 2, 4, 7):
        half = torch.zeros(count, *size, dtype=torch.float64)
        half[0] = 1
        out, plain, full = ours(edit(mask=half)), ours(), ours(edit())
        for i, row in enumerate(ROWS):
            assert far(out[i], full[i] if row.sample % count == 0 else plain[i]) < 1e-12


def test_an_empty_mask_and_off_settings_change_nothing():
    assert far(ours(edit(mask=torch.zeros(1, *CANVAS))), ours()) == 0
    for neutral in (edit(weight=0.0), edit(layer_weights=(0.0,) * 16), edit(curve=Curve.parse("0:0, 1:0"))):
        assert neutral.neutral() and Program.of([neutral]).edits == ()


def test_where_and_when_nothing_acts():
    some = edit(layer_weights=(1.0,) * 8 + (0.0,) * 8, window=(0.2, 0.8), curve=Curve.parse("0:0, 0.5:0, 1:1"))
    assert [i for i in range(16) if some.covers(site(i))] == list(range(8)) and not some.covers(Site("self", 0))
    run = Run(Program.of([some]), progress_of=lambda sigma: 1 - sigma)
    assert [p for p in (0.0, 0.3, 0.5, 0.6, 0.7, 0.9) if some.active(run.step(1 - p, ()))] == [0.6, 0.7]


def test_negative_rows_get_no_term_without_negative_tokens():
    out, plain = ours(edit("one picture")), ours()
    assert far(out[4:], plain[4:]) == 0 and far(out[:4], plain[:4]) > 1e-3


@pytest.mark.parametrize("wrong, says", (({"value_scaling": "V"}, "one of: V only, K"), ({"tokens": TOKENS[0]}, "images, tokens, channels"),
                                         ({"negative": NEGATIVE[..., 1:]}, "equal channels"), ({"mask": MASK[0]}, "masks, height, width")))
def test_wrong_settings_are_refused(wrong, says):
    with pytest.raises(ConcordError, match=says):
        edit(**wrong)
