"""Whole runs with controls, against Euler steps written out with diffusers' own networks, arguments and guess mode."""
from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.control_net import Control  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.noise import start_noise  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.hosts.diffusers.sigmas import run_sigmas  # noqa: E402
from concord.processors.attention.style_aligned import reference_lane, style_aligned  # noqa: E402
from concord.processors.features.controlnet import MODES, POSITIVE, ControlResiduals  # noqa: E402
from concord.processors.schedule import Curve  # noqa: E402

from . import controls  # noqa: E402
from .sampling_models import control_net, text, unet  # noqa: E402
from .test_control_fidelity import far, sd1  # noqa: E402

CANVAS = 16, 16
PIXELS = 8 * CANVAS[0]
SAID = {"positive": text(1), "negative": text(2)}


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def model_of(sdxl: bool) -> Model:
    return Model(unet(sdxl=True) if sdxl else sd1(), "sdxl" if sdxl else "sd1", latent=LatentFormat(scale=1.0))


def run(model: Model, positive, negative, cfg: float = 1.0, steps: int = 3) -> torch.Tensor:
    return sample(model, 0, steps, cfg, "euler", "normal", positive, negative, {"samples": torch.zeros(1, 4, *CANVAS)})["samples"]


def by_hand(model: Model, further, cfg: float = 1.0) -> torch.Tensor:
    """further(branch, x, timestep, context, added) -> what the network is told besides."""
    sigmas = run_sigmas(model.sampling, "normal", 3)
    x = start_noise(torch.zeros(1, 4, *CANVAS), 0) * (1 + sigmas[0] ** 2) ** 0.5
    ids = torch.tensor([[PIXELS, PIXELS, 0, 0, PIXELS, PIXELS]]).float()
    for now, after in pairwise(sigmas):
        scaled, timestep, noise = x / (now**2 + 1) ** 0.5, model.sampling.timestep(now[None]).float(), {}
        for branch, ((context, meta),) in SAID.items():
            added = {"text_embeds": meta["pooled_output"], "time_ids": ids} if model.family == "sdxl" else None
            told = further(branch, scaled, timestep, context, added)
            noise[branch] = model.network(scaled, timestep, context, added_cond_kwargs=added, **told, return_dict=False)[0]
        x = x + (noise["negative"] + cfg * (noise["positive"] - noise["negative"])) * (after - now)
    return x


@pytest.mark.parametrize("kind", controls.KINDS)
def test_adapters_enter_where_diffusers_lets_them_enter(kind):
    adapter, image, model = controls.adapter(kind), controls.hint(1, PIXELS, PIXELS), model_of("SDXL" in kind)
    maps = adapter(image.movedim(-1, 1))
    given = [t * 0.7 for t in (*maps.inputs, *maps.middle) if t is not None]
    expected = by_hand(model, lambda *_: {"down_intrablock_additional_residuals": [t.clone() for t in given]})
    assert far(run(model, *host.apply_control(*SAID.values(), Control(adapter), image, ControlResiduals(strength=0.7))), expected) < 1e-4


@pytest.mark.parametrize("guess", (False, True))
@pytest.mark.parametrize("sdxl", (False, True))
def test_control_nets_and_guess_mode(sdxl, guess):
    """diffusers' guess mode leaves the negative out, and has weights of its own: 0.1 to 1, even in the logarithm."""
    model, image = model_of(sdxl), controls.hint(1, PIXELS, PIXELS)
    net = control_net(model.network)

    def further(branch, x, timestep, context, added):
        if guess and branch == "negative":
            return {}
        skips, middle = net(x, timestep, context, image.movedim(-1, 1), 0.7, added_cond_kwargs=added, guess_mode=guess, return_dict=False)
        assert len(skips) == (9 if sdxl else 12)
        return {"down_block_additional_residuals": skips, "mid_block_additional_residual": middle}

    weights = dict(blocks=tuple(torch.logspace(-1, 0, 10 if sdxl else 13).tolist()), branches=POSITIVE) if guess else {}
    made = run(model, *host.apply_control(*SAID.values(), Control(net), image, ControlResiduals(strength=0.7, **weights)), cfg=4.0)
    assert far(made, by_hand(model, further, cfg=4.0)) < 1e-4


def test_guess_mode_leaves_the_negative_alone():
    model = replace(model_of(False), rows_per_call=1)  # a call of its own in both runs, so that rounding is the same
    mode = MODES["control is more important"]
    positive, negative = host.apply_control(*SAID.values(), Control(control_net(model.network)), controls.hint(), ControlResiduals(**mode))
    assert "control" in positive[0][1] and "control" not in negative[0][1]
    assert torch.equal(run(model, positive, negative, 0.0, 1), run(model, *SAID.values(), 0.0, 1))
    assert far(run(model, positive, negative, 1.0, 1), run(model, *SAID.values(), 1.0, 1)) > 1e-3


def test_a_reference_without_the_hint_is_drawn_as_it_would_be_alone():
    model = host.attach(model_of(False), *style_aligned(), lanes=reference_lane())
    latent = {"samples": torch.zeros(3, 4, *CANVAS)}
    draw = lambda *prompts: sample(model, 0, 2, 4.0, "euler", "normal", *prompts, latent)["samples"]
    apply = lambda lanes: host.apply_control(*SAID.values(), Control(control_net(model.network)), controls.hint(), ControlResiduals(lanes=lanes))
    plain, free, led = draw(*SAID.values()), draw(*apply((("reference", 0.0),))), draw(*apply(()))
    assert far(free[0], plain[0]) < 1e-6 < 1e-3 < far(led[0], plain[0])
    assert far(free[1], plain[1]) > 1e-3 and far(free[2], plain[2]) > 1e-3


def test_nothing_is_computed_at_inactive_steps():
    model = model_of(False)
    net, adapter, calls = control_net(model.network), controls.adapter("full"), []
    net.register_forward_pre_hook(lambda *_: calls.append("net"))
    adapter.register_forward_pre_hook(lambda *_: calls.append("adapter"))
    for settings, expected in ((dict(window=(0.1, 0.4)), []), (dict(curve=Curve.parse("0:0, 0.4:0, 0.5:1, 0.6:0")), ["adapter", "net"]),
                               ({}, ["adapter", *["net"] * 3])):
        calls.clear()
        prompts = host.apply_control(*SAID.values(), Control(net), controls.hint(), ControlResiduals(**settings))
        run(model, *host.apply_control(*prompts, Control(adapter), controls.hint(), ControlResiduals(**settings)))
        assert sorted(calls) == expected, settings
