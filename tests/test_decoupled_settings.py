"""DecoupledCrossAttn: masks of any size, what is off, where and when nothing acts, which precision, and what is refused."""
from __future__ import annotations

import pytest
import torch
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.rows import Site
from concord.processors.run import Run, at_site, attention
from concord.processors.schedule import Curve
from concord.tests.engine.toy import far

from .decoupled_formula import CANVAS, MASK, NEGATIVE, ROWS, TOKENS, Handle, edit, model, ours, site


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


WRONG = (
    ({"value_scaling": "V"}, "one of: V only, K"),
    ({"tokens": TOKENS[0]}, "the tokens have the shape .4, 12.; .images, tokens, channels. fits"),
    ({"tokens": TOKENS[:0]}, "images, tokens, channels"),
    ({"negative": NEGATIVE[..., 1:]}, "the negative tokens have the shape .1, 4, 11.; .images, tokens, 12 channels. fits"),
    ({"mask": MASK[0]}, "masks, height, width"),
    ({"tokens": TOKENS / 0}, "the tokens hold numbers that are not finite"),
    ({"negative": NEGATIVE * float("nan")}, "the negative tokens hold numbers that are not finite"),
    ({"mask": MASK * float("nan")}, "the mask holds numbers that are not finite"),
    ({"weight": float("nan")}, "the weight is nan"),
)


@pytest.mark.parametrize("wrong, says", WRONG)
def test_wrong_settings_are_refused(wrong, says):
    with pytest.raises(ConcordError, match=says):
        edit(**wrong)


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16))
def test_keys_and_masks_are_made_in_the_models_own_precision(dtype):
    asked = []

    class Watched(Handle):
        def project(self, number, tokens):
            asked.append(tokens.dtype)
            return super().project(number, tokens)

    for name in ("a mask for each sample", "a masked curve", "K+mean(V) w/ C penalty"):
        run = Run(Program.of([edit(name, projections=Watched())]), 4, progress_of=lambda sigma: 1 - sigma)
        q, k, v = (torch.stack(t).to(dtype) for t in zip(*map(model, ROWS), strict=True))
        step = run.step(0.5, ROWS)
        out = attention(at_site(run.program, site(), step), site(), step, q, k, v)
        assert out.dtype == dtype and far(out.double(), ours(edit(name))) < 2e-2
    assert set(asked) == {dtype}
