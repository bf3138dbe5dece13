"""Region Guidance in every ComfyUI that is there: its modes without gradients give what they give in the headless host, alone and with other techniques."""
from __future__ import annotations

import pytest
import torch

from ..sampling_models import text, unet
from .here import run_here, script_here
from .test_sampling_parity import LARGE

DEEP = True  # in older hosts: slow
SCRIPTS = ("regions_in_attention.py",)


def test_regions(check):
    check()


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    return run_here("regions_in_attention.py")


@pytest.fixture(scope="session")
def theirs(in_host) -> dict[str, torch.Tensor]:
    return in_host("regions_in_attention.py", "in_comfyui")


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def test_same_numbers(ours, theirs):
    assert set(theirs) == set(ours) and len(ours) == 29
    for name, made in theirs.items():
        assert made.isfinite().all() and far(made, ours[name]) < 1e-4, name


def test_order_of_nodes_and_strength_0_leave_no_trace(ours, theirs):
    for made in (ours, theirs):
        assert torch.equal(made["region prompts, off"], made["nothing"])
        for name in (name for name in made if name.endswith(", other order")):
            assert torch.equal(made[name], made[name.removesuffix(", other order")]), name


def test_every_case_does_something(ours):
    shown = {name: made for name, made in ours.items() if not name.endswith((", other order", ", off"))}
    alike = [(a, b) for a in shown for b in shown if a < b and ours[a].shape == ours[b].shape and far(ours[a], ours[b]) < 1e-3]
    assert not alike


def test_sdxl(in_host):
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.model import LatentFormat, Model
    from concord.hosts.diffusers.sample import sample

    network, told = unet(sdxl=True), (text(1), text(2))
    latent = {"samples": torch.zeros(2, 4, 8, 12)}
    theirs = in_host("regions_in_attention.py", weights=network.state_dict(), config=LARGE, positive=told[0], negative=told[1], latent=latent)
    models = script_here("regions_in_attention.py").sdxl(host, Model(network, "sdxl", latent=LatentFormat(scale=0.13025)))
    ours = {name: sample(model, 1, 3, 5.0, "euler", "normal", *told, latent)["samples"] for name, model in models.items()}
    assert set(ours) == set(theirs)
    for name, made in ours.items():
        assert far(theirs[name], made) < 1e-4, name
        assert name == "nothing" or far(made, ours["nothing"]) > 1e-3, name
