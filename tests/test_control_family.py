"""Controls that do not fit the model, and settings that do not fit the control, are refused by name before the first step."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.control_family import check_fits  # noqa: E402
from concord.hosts.diffusers.control_net import Control  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.features.controlnet import UNION_TYPES, ControlResiduals, union_number  # noqa: E402
from diffusers import ControlNetModel, UNet2DConditionModel  # noqa: E402

from . import controls  # noqa: E402
from .sampling_models import SDXL, text  # noqa: E402
from .test_control_fidelity import SD1  # noqa: E402

WIDTH = {False: 768, True: 2048}  # of the text
NAME = {False: "Stable Diffusion 1.x", True: "SDXL"}


@pytest.fixture(scope="module")
def families():
    """By "is SDXL": a UNet and the controls for it, with no memory of their own."""
    made = {}
    with torch.device("meta"):
        for sdxl, config in ((False, SD1), (True, SDXL)):
            config = config | dict(cross_attention_dim=WIDTH[sdxl])
            half = {key: value for key, value in config.items() if key != "up_block_types"}
            made[sdxl] = UNet2DConditionModel(**config), [ControlNetModel(**half), adapter(sdxl)]
    return made


def adapter(sdxl: bool):
    return controls.adapter("full, SDXL", widths=(32, 64, 128, 128)) if sdxl else controls.adapter("full")


@pytest.mark.parametrize("sdxl", (False, True))
def test_wrong_families_are_named(families, sdxl):
    unet, mine = families[sdxl]
    for network, other in zip(mine, families[not sdxl][1], strict=True):
        check_fits(network, ControlResiduals(), unet)
        with pytest.raises(ConcordError, match=rf"a control for {NAME[not sdxl]}.*the model is {NAME[sdxl]}; load"):
            check_fits(other, ControlResiduals(), unet)


@pytest.mark.parametrize("sdxl,counts", [(False, 13), (True, 10)])
def test_as_many_block_weights_as_the_model_has_places(families, sdxl, counts):
    unet, networks = families[sdxl]
    for network in networks:
        check_fits(network, ControlResiduals(blocks=(1.0, *[0.5] * (counts - 1))), unet)
        with pytest.raises(ConcordError, match=f"has 12 numbers, but this model takes {counts} for {NAME[sdxl]}"):
            check_fits(network, ControlResiduals(blocks=(1.0, *[0.5] * 11)), unet)


def test_the_whole_chain_is_looked_at(families):
    unet, (net, *_) = families[False]
    wrong = Control(families[True][1][0])
    with pytest.raises(ConcordError, match="a control for SDXL"):
        Control(net, previous=wrong).check(unet)


def test_union_types_are_those_that_the_control_knows():
    assert [union_number(name, 8) for name in UNION_TYPES] == list(range(8))
    with pytest.raises(ConcordError, match="knows 6 types: openpose, .*segment; choose"):
        union_number("tile", 6)
    with pytest.raises(ConcordError, match="is no union"):
        union_number("depth", 0)


def test_what_is_no_control_is_refused():
    for given, said in ((None, "got nothing"), (3, "got a int")):
        with pytest.raises(ConcordError, match=f"a CONTROL_NET was expected, {said}"):
            host.apply_control(text(1), text(2), given, controls.hint(), ControlResiduals())  # type: ignore[arg-type]


def test_a_union_keeps_the_type_that_it_was_set_to():
    net = Control(controls.loaded_union(controls.union()), kind=1)
    kinds = {name: host.apply_control(text(1), text(2), net, controls.hint(), ControlResiduals(), None, name)[0][0][1]["control"].kind
             for name in ("auto", "depth", "normal")}
    assert kinds == {"auto": 1, "depth": 1, "normal": 4}
