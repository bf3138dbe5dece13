"""What ApplyControlNet's widgets mean, and what it refuses when the node runs."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers.control_net import Control  # noqa: E402
from concord.nodes.apply_control_net import ApplyControlNet  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.features.controlnet import POSITIVE, ControlResiduals  # noqa: E402
from concord.processors.schedule import Curve  # noqa: E402

from . import controls  # noqa: E402
from .sampling_models import text  # noqa: E402

NET = Control(controls.adapter("light"))


def apply(strength: float = 1.0, start: float = 0.0, end: float = 1.0, **settings):
    return ApplyControlNet.execute(text(1), text(2), NET, controls.hint(), strength, start, end, **settings).args


MASK = torch.rand(64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("settings,edit", [
    ({}, {}),
    (dict(mode="prompt is more important"), dict(soft=True)),
    (dict(mode="control is more important"), dict(soft=True, branches=POSITIVE)),
    (dict(strength_curve="0:1, 1:0"), dict(curve=Curve(((0.0, 1.0), (1.0, 0.0))))),
    (dict(mask=MASK), dict(mask=MASK[None])),
    (dict(positive_only=True), dict(branches=POSITIVE)),
    (dict(apply_to_reference=False), dict(lanes=(("reference", 0.0), ("source", 0.0)))),
    (dict(block_weights="1,1,1,1,1,1,1,1,1,1,1,1,0.5"), dict(blocks=(*[1.0] * 12, 0.5))),
    (dict(global_pooling=True), dict(pooled=True)),
])  # fmt: skip
def test_every_widget_is_one_setting(settings, edit):
    positive, negative = apply(**settings)
    control = positive[0][1]["control"]
    assert control.edit.id == ControlResiduals(**edit).id and control.network is NET.network
    assert negative[0][1].get("control") is (None if "branches" in edit else control)


def test_strength_and_window():
    edit = apply(0.4, 0.2, 0.6)[0][0][1]["control"].edit
    assert (edit.strength, edit.window) == (0.4, (0.2, 0.6))


@pytest.mark.parametrize("settings", (dict(strength=0.0), dict(strength_curve="0:0"), dict(block_weights=",".join("0" * 13))))
def test_what_is_off_leaves_the_prompts_alone(settings):
    assert all("control" not in meta for branch in apply(**settings) for _, meta in branch)


@pytest.mark.parametrize("settings,said", [
    (dict(strength_curve="1, 0"), "is no point"), (dict(block_weights="fine"), "are not all numbers"),
    (dict(mask=torch.ones(1, 1, 8, 8)), "connect a MASK"), (dict(union_type="depth"), "no union"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_one_line(settings, said):
    with pytest.raises(ConcordError, match=said) as error:
        apply(**settings)
    assert "\n" not in str(error.value)
