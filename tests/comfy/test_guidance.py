"""Guidance by gradients inside ComfyUI: from the host's own weights, in its inference mode, and the same numbers as here."""
from __future__ import annotations

import pytest
import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample

from ..sampling_models import text, unet
from .here import run_here, script_here
from .test_sampling_parity import LARGE
from .versions import version

DEEP = True  # in older hosts: slow
SCRIPTS = ("guidance_inside.py",)


def test_guidance(check):
    check()


@pytest.mark.parametrize("thorough", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_same_numbers(comfy, in_host, thorough):
    ours, theirs = run_here("guidance.py", thorough=thorough), in_host("guidance.py", "in_comfyui", thorough=thorough)
    assert set(ours) == set(theirs)
    off = {name: float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in ours
           if version(comfy) >= (0, 8) or "ancestral" not in name}  # before 0.8 the host drew ancestral noise from the generator of the start noise
    close = lambda name: 1e-3 if name == "everything" else 1e-4  # slopes through five techniques: how large a rounding grows depends on the processor
    assert not {name: value for name, value in off.items() if not value < close(name)}


def test_same_numbers_on_sdxl(in_host):
    network, said, latent = unet(sdxl=True), (text(1), text(2)), {"samples": torch.zeros(2, 4, 8, 12)}
    theirs = in_host("guidance.py", "sdxl", weights=network.state_dict(), config=LARGE, positive=said[0], negative=said[1], latent=latent)
    model = Model(network, "sdxl", latent=LatentFormat(scale=0.13025))
    for name, guided in script_here("guidance.py").sdxl_setups(host, model).items():
        made, plain = (sample(m, 1, 3, 5.0, "euler", "normal", *said, latent)["samples"] for m in (guided, model))
        assert (made - theirs[name]).abs().max() / made.abs().max() < 1e-4, name
        assert (made - plain).abs().max() > 1e-3
