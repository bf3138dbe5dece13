"""Both hosts agree on SDXL's block numbering too, with every technique."""
from __future__ import annotations

import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.control_net import Control
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample

from ..sampling_models import control_net, noise, text, unet
from .here import script_here
from .test_sampling_parity import LARGE

DEEP = True  # in older hosts: slow


def test_sdxl_with_every_technique(in_host):
    network = unet(sdxl=True)
    net = control_net(network)
    given = dict(positive=text(1), negative=text(2), hint=noise(1, 64, 64, 3).sigmoid())
    latent = {"samples": torch.zeros(2, 4, 8, 12)}
    theirs = in_host("sdxl.py", weights=network.state_dict(), config=LARGE, control_weights=net.state_dict(), latent=latent, **given)
    model = Model(network, "sdxl", latent=LatentFormat(scale=0.13025))
    ours = {name: sample(m, 1, 3, 5.0, "euler", "normal", positive, negative, latent)["samples"]
            for name, (m, positive, negative) in script_here("sdxl.py").setups(host, model, Control(net), **given).items()}
    assert set(ours) == set(theirs)
    for name, made in ours.items():
        assert (made - theirs[name]).abs().max() / made.abs().max() < 1e-4, name
        assert name == "plain" or (made - ours["plain"]).abs().max() / made.abs().max() > 1e-3, name
