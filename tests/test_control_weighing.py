"""What ApplyControlNet's settings do to residuals: curve, blocks, mode, mask, lanes, pooling; and what is refused."""
from __future__ import annotations

import pytest
import torch
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.features import controlnet
from concord.processors.features.block_weights import parse_weights
from concord.processors.features.controlnet import MODES, POSITIVE, ControlResiduals, control_mask
from concord.processors.features.residuals import Residuals
from concord.processors.rows import Lanes, View
from concord.processors.run import Run
from concord.processors.schedule import Curve
from torch import Tensor


def ones(*grids: int, rows: int = 2) -> tuple[Tensor, ...]:
    return tuple(torch.ones(rows, 4, grid, grid) for grid in grids)


SD1 = Residuals(ones(8, 8, 8, 4, 4, 4, 2, 2, 2, 1, 1, 1), ones(1))
SDXL = Residuals(ones(8, 8, 8, 4, 4, 4, 2, 2, 2), ones(2))
ADAPTER = Residuals(inputs=(None, None, *ones(8), None, None, *ones(4), None, None, *ones(2), None, None, *ones(1)))
ADAPTER_SDXL = Residuals(inputs=(None, None, None, *ones(4), None, *ones(4), None, None, *ones(2)), middle=ones(2))


def step(progress: float = 0.0, rows=()):
    return Run(progress_of=lambda sigma: progress).step(1.0, rows)


def values(residuals: Residuals) -> list[float]:
    return [float(t.flatten()[0]) for part in residuals for t in part if t is not None]


def test_a_curve_is_a_factor_of_the_strength():
    edit = ControlResiduals(strength=0.5, curve=Curve.parse("0:1, 0.5:0.2, 1:0"))
    assert [values(edit.weigh(SD1, step(at)))[0] for at in (0.0, 0.25, 0.5)] == pytest.approx([0.5, 0.3, 0.1])
    assert [edit.active(step(at)) for at in (0.0, 0.9, 1.0)] == [True, True, False]


@pytest.mark.parametrize("residuals,last", [(SD1, 12), (SDXL, 9)])
def test_soft_weights_of_the_authors(residuals, last):
    made = values(ControlResiduals(soft=True).weigh(residuals, step()))
    assert made[: last] == pytest.approx([0.825 ** (last - i) for i in range(last)]) and made[last] == 1


@pytest.mark.parametrize("residuals", (ADAPTER, ADAPTER_SDXL))
def test_soft_weights_of_adapters(residuals):
    assert sorted(values(ControlResiduals(soft=True).weigh(residuals, step()))) == pytest.approx([0.25, 0.62, 0.825, 1.0])


@pytest.mark.parametrize("residuals,blocks", [(SD1, 12), (SDXL, 9), (ADAPTER, 12), (ADAPTER_SDXL, 9)])
def test_block_weights_count_from_the_first_block_and_the_middle_is_last(residuals, blocks):
    weights = tuple(float(i + 2) for i in range(blocks + 1))
    made = ControlResiduals(blocks=weights, strength=2.0).weigh(residuals, step())
    for tensors in (made.skips, made.inputs):
        assert all(t is None or float(t.flatten()[0]) == 2 * weights[i] for i, t in enumerate(tensors))
    assert all(float(t.flatten()[0]) == 2 * weights[-1] for t in made.middle)


def test_modes():
    assert MODES["balanced"] == {} and list(MODES) == ["balanced", "prompt is more important", "control is more important"]
    assert MODES["control is more important"]["branches"] == POSITIVE and "branches" not in MODES["prompt is more important"]


def test_wrong_counts_say_what_fits():
    for residuals, fits in ((SD1, "takes 13 for Stable Diffusion 1.x"), (SDXL, "takes 10 for SDXL")):
        with pytest.raises(ConcordError, match=f"has 3 numbers.*{fits}"):
            ControlResiduals(blocks=(1.0, 1.0, 0.5)).weigh(residuals, step())
    assert parse_weights(" 1, 0.5\n2 ") == (1.0, 0.5, 2.0) and parse_weights(" ") == ()
    for text in ("one, 2", "1, nan", "inf"):
        with pytest.raises(ConcordError, match=f"{text}.*are not all numbers"):
            parse_weights(text)


def test_a_mask_lies_over_the_hint_on_every_grid():
    mask = torch.zeros(1, 64, 64)
    mask[:, :, 32:] = 1
    made = ControlResiduals(mask=mask).weigh(SD1, step(), View(0, 0, 8, 8, (8, 8)))
    assert torch.equal(made.skips[0][0, 0, 0], torch.tensor([0.0] * 4 + [1.0] * 4)) and float(made.middle[0][0, 0]) == 0.5
    window = ControlResiduals(mask=mask).weigh(SD1, step(), View(0, 6, 8, 8, (8, 16)))
    assert torch.equal(window.skips[0][0, 0, 0], torch.tensor([0.0] * 2 + [1.0] * 6))


def test_a_mask_is_cut_as_the_hint_is():
    mask = torch.zeros(1, 64, 128)
    mask[:, :, 32:64] = 1
    made = ControlResiduals(mask=mask).weigh(SD1, step(), View(0, 0, 8, 8, (8, 8)))
    assert torch.equal(made.skips[0][0, 0, 0], torch.tensor([1.0] * 4 + [0.0] * 4))


def test_masks_of_samples():
    mask = torch.stack([torch.zeros(8, 8), torch.ones(8, 8)])
    rows = Lanes().rows([("positive", 0, None, None), ("negative", 0, None, None)], 3)
    made = ControlResiduals(mask=mask).weigh(Residuals(ones(8, rows=6)), step(rows=rows))
    assert made.skips[0][:, 0, 0, 0].tolist() == [0, 1, 0, 0, 1, 0]
    one_hint = ControlResiduals(mask=mask).weigh(Residuals(ones(8, rows=1)), step(rows=rows))  # a map for all rows
    assert torch.equal(one_hint.skips[0], made.skips[0])


def test_masks_are_resized_once_a_shape(monkeypatch):
    sizes = []
    resize = controlnet.interpolate
    monkeypatch.setattr(controlnet, "interpolate", lambda t, size, mode: sizes.append(size) or resize(t, size, mode=mode))
    edit, run = ControlResiduals(mask=torch.rand(1, 64, 64)), Run()
    for view in (View(0, 0, 8, 8, (8, 16)), View(0, 8, 8, 8, (8, 16))):
        edit.weigh(SD1, run.step(1.0, ()), view)
    first = len(sizes)
    edit.weigh(SD1, run.step(0.5, ()), view)
    assert len(sizes) == first == 2 * 2 * 4  # views, to the canvas and to the grid, grids


def test_lanes_have_weights_of_their_own():
    rows = Lanes(((1, "reference", 0),)).rows([("negative", 0, None, None), ("positive", 0, None, None)], 3)
    made = ControlResiduals(lanes=(("reference", 0.0), ("plain", 0.5))).weigh(Residuals(ones(4, rows=6)), step(rows=rows))
    assert made.skips[0][:, 0, 0, 0].tolist() == [0.5, 0, 0.5] * 2


def test_pooling_takes_the_mean_of_the_picture():
    t = torch.rand(2, 4, 6, 5, generator=torch.Generator().manual_seed(1))
    made = ControlResiduals(pooled=True, strength=0.5).weigh(Residuals((t,)), step()).skips[0]
    assert made.shape == t.shape and torch.allclose(made, 0.5 * t.mean((2, 3), keepdim=True).expand_as(t))


def test_settings_that_say_nothing_give_the_very_tensors():
    edit = ControlResiduals(curve=Curve.parse("0:1"), blocks=(1.0,) * 13, lanes=(("reference", 0.0),))
    assert edit.weigh(SD1, step(rows=Lanes().rows([("positive", 0, None, None)], 2))) is SD1
    white = ControlResiduals(mask=torch.ones(1, 50, 50)).weigh(SD1, step(), View(0, 0, 8, 8, (8, 8)))
    assert all(torch.equal(a, b) for a, b in zip(white.skips, SD1.skips, strict=True))


@pytest.mark.parametrize("settings", (dict(strength=0.0), dict(curve=Curve.parse("0:0, 1:0")), dict(blocks=(0.0,) * 13)))
def test_what_is_zero_everywhere_drops_out(settings):
    assert not Program.of([ControlResiduals(**settings)])


def test_content_tells_edits_apart():
    edits = [ControlResiduals(), ControlResiduals(soft=True), ControlResiduals(curve=Curve.parse("0:1, 1:0")), ControlResiduals(blocks=(1.0, 0.5)),
             ControlResiduals(mask=torch.ones(1, 4, 4)), ControlResiduals(mask=torch.zeros(1, 4, 4)), ControlResiduals(pooled=True)]
    assert len({edit.id for edit in edits}) == len(edits)


def test_masks_of_other_shapes_are_refused():
    assert control_mask(torch.ones(4, 5)).shape == (1, 4, 5) and control_mask(None) is None
    with pytest.raises(ConcordError, match=r"shape \[1, 1, 4, 4\]"):
        control_mask(torch.ones(1, 1, 4, 4))
