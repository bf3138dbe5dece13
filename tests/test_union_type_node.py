"""Core's Set Union ControlNet Type, headless: it says what the hint of a union ControlNet is, and leaves others alone."""
from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers.control_net import Control  # noqa: E402
from concord.hosts.diffusers.core.control import SetUnionControlNetType  # noqa: E402
from concord.processors.features.controlnet import UNION_TYPES  # noqa: E402

from . import controls, sampling_models  # noqa: E402


def test_it_sets_the_type_of_a_union():
    control = Control(controls.loaded_union(controls.union()))
    name, number = list(UNION_TYPES.items())[2]
    changed = SetUnionControlNetType.execute(control, name).args[0]
    assert changed.kind == number and control.kind != number
    assert SetUnionControlNetType.execute(changed, "auto").args[0].kind is None


def test_it_leaves_others_alone():
    control = Control(sampling_models.control_net(sampling_models.unet()))
    assert SetUnionControlNetType.execute(control, next(iter(UNION_TYPES))).args[0] is control
