"""Control networks give diffusers' numbers: residuals, guess mode, union types, adapters' maps and where they enter."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.control_net import Control  # noqa: E402
from concord.hosts.diffusers.loading.control import load_control_net  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.noise import start_noise  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.hosts.diffusers.sigmas import run_sigmas  # noqa: E402
from concord.processors.features.controlnet import POSITIVE, ControlResiduals  # noqa: E402
from concord.processors.features.residuals import Residuals  # noqa: E402
from concord.processors.run import Run  # noqa: E402
from diffusers import UNet2DConditionModel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from . import controls  # noqa: E402
from .sampling_models import control_net, fill, noise, text, unet  # noqa: E402

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


def test_guess_mode_leaves_the_negative_alone():
    network = sd1()
    net, model = Control(control_net(network)), Model(network)
    positive, negative = host.apply_control(text(1), text(2), net, controls.hint(), ControlResiduals(soft=True, branches=POSITIVE))
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    run = lambda p, n, cfg: sample(model, 0, 1, cfg, "euler", "normal", p, n, latent, denoise=1.0)["samples"]
    assert "control" in positive[0][1] and "control" not in negative[0][1]
    assert torch.equal(run(positive, negative, 0.0), run(text(1), text(2), 0.0))
    assert far(run(positive, negative, 1.0), run(text(1), text(2), 1.0)) > 1e-3


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


@pytest.mark.parametrize("kind", controls.KINDS)
def test_adapters_enter_where_diffusers_lets_them_enter(kind):
    """Three Euler steps, written out with diffusers' network and its own argument for adapters."""
    network = unet(sdxl=True) if "SDXL" in kind else sd1()
    adapter = controls.adapter(kind)
    model = Model(network, "sdxl" if "SDXL" in kind else "sd1", latent=LatentFormat(scale=1.0))
    positive, _ = host.apply_control(text(1), text(2), Control(adapter), controls.hint(1, 128, 128), ControlResiduals(strength=0.7))
    latent = {"samples": torch.zeros(1, 4, 16, 16)}
    made = sample(model, 0, 3, 1.0, "euler", "normal", positive, text(2), latent)["samples"]

    maps, sigmas = adapter(controls.hint(1, 128, 128).movedim(-1, 1)), run_sigmas(model.sampling, "normal", 3)
    x = start_noise(latent["samples"], 0) * (1 + sigmas[0] ** 2) ** 0.5
    added = {"text_embeds": text(1)[0][1]["pooled_output"], "time_ids": torch.tensor([[128.0, 128, 0, 0, 128, 128]])} if "SDXL" in kind else None
    for now, after in zip(sigmas[:-1], sigmas[1:], strict=True):
        given = [t * 0.7 for t in (*maps.inputs, *maps.middle) if t is not None]
        eps = network(x / (now**2 + 1) ** 0.5, model.sampling.timestep(now[None]).float(), text(1)[0][0], added_cond_kwargs=added,
                      down_intrablock_additional_residuals=given, return_dict=False)[0]
        x = x + eps * (after - now)
    assert far(made, x) < 1e-4


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
