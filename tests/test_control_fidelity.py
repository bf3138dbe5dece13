"""Control networks give diffusers' numbers: residuals, guess mode, union types and adapters' maps, from files of every layout."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers.loading.control import load_control_net  # noqa: E402
from concord.processors.features.controlnet import ControlResiduals  # noqa: E402
from concord.processors.features.residuals import Residuals  # noqa: E402
from concord.processors.run import Run  # noqa: E402
from diffusers import UNet2DConditionModel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from . import controls  # noqa: E402
from .sampling_models import control_net, fill, noise  # noqa: E402

SD1 = dict(block_out_channels=(32, 64, 128, 128), layers_per_block=2, down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
           up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3, cross_attention_dim=64, attention_head_dim=4)


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def far(a, b) -> float:
    return float((a - b).abs().max() / b.abs().max())


def sd1():
    return fill(UNet2DConditionModel(**SD1), 0)


def test_guess_mode_of_diffusers():
    """Its weights are another law than the authors' (0.1 to 1 in even steps of the logarithm), so they are given as block weights."""
    net = control_net(sd1())
    x, context, picture = noise(2, 4, 8, 8), noise(2, 77, 64, seed=1), controls.hint(2).movedim(-1, 1)
    say = lambda guess: net(x, torch.tensor([500.0]), context, picture, guess_mode=guess, return_dict=False)
    (skips, middle), (expected, expected_middle) = say(False), say(True)
    edit = ControlResiduals(blocks=tuple(torch.logspace(-1, 0, 13).tolist()))
    got = edit.weigh(Residuals(tuple(skips), (middle,)), Run().step(1.0, ()))
    assert len(expected) == 12
    for mine, theirs in zip((*got.skips, *got.middle), (*expected, expected_middle), strict=True):
        assert far(mine, theirs) < 1e-6


@pytest.mark.parametrize("hint", (1, 3))
@pytest.mark.parametrize("layout", ("diffusers", "published", "wrapped"))
@pytest.mark.parametrize("kind", controls.KINDS)
def test_adapters_of_every_layout_give_diffusers_maps(tmp_path, kind, layout, hint):
    theirs = controls.theirs(kind, hint)
    tensors = dict(theirs.state_dict())
    if layout != "diffusers":
        tensors = controls.published(tensors, kind == "light")
    path = tmp_path / ("adapter.pth" if layout == "wrapped" else "adapter.safetensors")
    torch.save({"adapter": tensors}, path) if layout == "wrapped" else save_file(tensors, path)
    net = load_control_net(path).network
    picture = controls.hint(2, 128, 64).movedim(-1, 1)
    made = net(picture)
    expected = theirs(picture if hint == 3 else picture.mean(1, keepdim=True))
    places = {i: t for i, t in enumerate((*made.inputs, *made.middle)) if t is not None}
    assert list(places) == ([3, 5, 8, 9] if "SDXL" in kind else [2, 5, 8, 11])
    for mine, right in zip(places.values(), expected, strict=True):
        assert far(mine, right) < 1e-5


@pytest.mark.parametrize("kind", (0, 3, 5))
def test_union_types_give_diffusers_residuals(tmp_path, kind):
    theirs = controls.union()
    save_file(dict(theirs.state_dict()), tmp_path / "union.safetensors")
    net = load_control_net(tmp_path / "union.safetensors").network
    x, context, picture = noise(2, 4, 8, 8), noise(2, 77, 64, seed=1), controls.hint().movedim(-1, 1).repeat(2, 1, 1, 1)
    added = {"text_embeds": noise(2, 1280, seed=2), "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)}
    types = torch.zeros(2, 6)
    types[:, kind] = 1
    skips, middle = theirs(x, torch.tensor([500.0]), context, [picture], types, [kind], conditioning_scale=1.0, added_cond_kwargs=added, return_dict=False)
    mine = net(x, torch.tensor([500.0]), context, picture, kind=kind, added_cond_kwargs=added)
    assert len(mine[0]) == 9
    for got, right in zip((*mine[0], mine[1]), (*skips, middle), strict=True):
        assert far(got, right) < 1e-4
    free = net(x, torch.tensor([500.0]), context, picture, added_cond_kwargs=added)
    assert far(free[1], mine[1]) > 1e-3
