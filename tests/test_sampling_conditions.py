"""Which entries are run where, when and with what weight, and how they share calls."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from concord.hosts.diffusers.areas import place
from concord.hosts.diffusers.conditions import evaluate
from concord.hosts.diffusers.control_net import Control, apply_control
from concord.hosts.diffusers.entries import prepare
from concord.hosts.diffusers.guidance import Guided
from concord.hosts.diffusers.model import Model
from concord.processors.errors import ConcordError
from concord.processors.rows import View
from concord.processors.run import Run

from .sampling_models import control_net, noise, text, unet

CANVAS = (16, 20)
X, SIGMA = noise(2, 4, *CANVAS) * 3, torch.full((2,), 3.0)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(unet())


@pytest.fixture
def calls(model):
    """The sizes of all network calls, as they come."""
    seen: list[tuple] = []
    hook = model.network.register_forward_pre_hook(lambda network, args: seen.append(tuple(args[0].shape)))
    yield seen
    hook.remove()


def ready(model: Model, positive, negative=None, canvas=CANVAS) -> dict:
    return prepare(model, {"positive": positive, "negative": negative or text(2)}, 2, canvas)


def said(model: Model, positive, negative=None) -> dict:
    with torch.no_grad():
        return evaluate(model, ready(model, positive, negative), X, SIGMA, Run(samples=2))


def test_an_area_fades_out_inside_the_canvas_only():
    view, weight = place({"area": (8, 12, 0, 4), "strength": 2.0}, 1, CANVAS)
    assert view == View(0, 4, 8, 12, CANVAS)
    assert weight[0, 0, 0].tolist() == pytest.approx([2 * s for s in (1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1, 1, 1, 2 / 3, 1 / 3)])
    assert weight[0, 0, :, 5].tolist() == pytest.approx([2, 2, 2, 2, 2, 2, 2, 1])


def test_areas_in_percent_and_over_the_edge():
    assert place({"area": ("percentage", 0.5, 0.25, 0.25, 0.5)}, 1, CANVAS)[0] == View(4, 10, 8, 5, CANVAS)
    assert place({"area": (64, 64, 4, 10)}, 1, CANVAS)[0] == View(4, 10, 12, 10, CANVAS)
    with pytest.raises(ConcordError, match="x 160, y 0 .*160 x 128"):
        place({"area": (8, 8, 0, 20)}, 1, CANVAS)


def test_masks():
    mask = torch.zeros(1, *CANVAS)
    mask[:, 2:13, 5:9] = 0.5
    view, weight = place({"mask": mask, "mask_strength": 0.4, "strength": 2.0}, 2, CANVAS)
    assert view is None and torch.equal(weight, mask[None] * 0.4 * 2)
    assert place({"mask": mask, "set_area_to_bounds": True}, 2, CANVAS)[0] == View(2, 5, 11, 8, CANVAS)  # at least 8 wide
    assert place({"mask": mask * 0, "set_area_to_bounds": True}, 2, CANVAS)[0] == View(0, 0, 8, 8, CANVAS)
    assert place({"mask": torch.ones(3, 40, 40)}, 2, CANVAS)[1].shape == (2, 1, *CANVAS)


def test_entries_are_averaged_by_strength(model):
    one, other = said(model, text(1))["positive"], said(model, text(3))["positive"]
    both = said(model, text(1, strength=0.5) + text(3, strength=1.5))["positive"]
    torch.testing.assert_close(both, (one * 0.5 + other * 1.5) / 2, rtol=1e-4, atol=1e-4)
    assert (one - other).abs().max() > 0.1


def test_how_calls_are_shared(model, calls):
    said(model, text(1) + text(3, 154), text(2))
    said(model, text(1), text(2, 77 * 5))
    assert calls == [(6, 4, *CANVAS), (2, 4, *CANVAS), (2, 4, *CANVAS)]


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_splitting_calls_changes_nothing(model, rows):
    positive = text(1, area=(8, 8, 4, 4)) + text(3, 154) + text(4, mask=torch.ones(1, 8, 8))
    whole, split = said(model, positive), said(replace(model, rows_per_call=rows), positive)
    for branch in whole:
        torch.testing.assert_close(split[branch], whole[branch], rtol=1e-4, atol=1e-4)


def test_an_area_is_answered_by_the_other_branch(model):
    """Guidance compares both branches in the very same window, with the text of the smallest entry around it."""
    conds = ready(model, text(1, area=(8, 8, 4, 4)) + text(3), text(2) + text(4, area=(12, 12, 2, 2)))
    answer, = (entry for entry in conds["negative"] if entry.view == View(4, 4, 8, 8, CANVAS))
    assert torch.equal(answer.context[:1], text(4)[0][0]) and answer.index == 2
    assert [entry.view for entry in conds["positive"]] == [View(4, 4, 8, 8, CANVAS), None, View(2, 2, 12, 12, CANVAS)]


def test_when_entries_act(model):
    early, late = ready(model, text(1, end_percent=0.4) + text(3, start_percent=0.4))["positive"]
    border = model.sampling.percent_to_sigma(0.4)
    assert [early.acts(s) for s in (14.6, border, border * 0.99)] == [True, True, False]
    assert [late.acts(s) for s in (14.6, border, border * 0.99)] == [False, True, True]


def test_guidance(model, calls):
    conds, both = ready(model, text(1)), said(model, text(1))
    with torch.no_grad():
        guided = {cfg: Guided(model, conds, cfg, Run(samples=2))(X, SIGMA) for cfg in (0.0, 1.0, 3.0)}
    assert [size[0] for size in calls] == [4, 4, 2, 4]
    torch.testing.assert_close(guided[0.0], both["negative"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(guided[1.0], both["positive"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(guided[3.0], both["negative"] + 3 * (both["positive"] - both["negative"]), rtol=1e-4, atol=1e-4)


def test_a_control_for_the_positive_serves_the_negative_too(model, calls):
    net = Control(control_net(model.network))
    alone, = apply_control([text(1)], net, torch.rand(1, 64, 64, 3), 0.5, for_others_too=True)
    conds = ready(model, alone)
    assert conds["negative"][0].control is conds["positive"][0].control and conds["positive"][0].control.hint.shape == (1, 3, 128, 160)
    said(model, alone)
    assert calls == [(4, 4, *CANVAS)]
    only, = apply_control([text(1)], net, torch.rand(1, 64, 64, 3), 0.5)
    assert ready(model, only)["negative"][0].control is None


def test_control_at_strength_0_or_outside_of_its_window_changes_nothing(model):
    net, hint = Control(control_net(model.network)), torch.rand(1, 64, 64, 3)
    plain = said(model, text(1))["positive"]
    off, = apply_control([text(1)], net, hint, 0.0)
    late, = apply_control([text(1)], net, hint, 1.0, 0.9, 1.0)
    on, = apply_control([text(1)], net, hint, 1.0)
    assert "control" not in off[0][1]
    torch.testing.assert_close(said(model, late)["positive"], plain, rtol=1e-4, atol=1e-4)
    assert (said(model, on)["positive"] - plain).abs().max() > 0.1
