"""Both hosts agree on ApplyControlNet in all its settings: ControlNets, unions and T2I-Adapters, for SD 1.x and SDXL."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.control_net import Control, apply_control
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample
from diffusers import UNet2DConditionModel

from .. import controls
from ..sampling_models import SDXL, control_net, fill, text
from ..test_control_fidelity import SD1
from .here import script_here

DEEP = True  # in older hosts: slow
SCRIPTS = ("control_kinds.py", "control_refusals.py")


def test_kinds(check):
    check()


SPLIT = pytest.mark.parametrize("split", [False, pytest.param(True, marks=pytest.mark.slow)])


def compare(in_host, model: Model, nets: dict, config: dict, split: bool) -> None:
    """Joint branches there, joint or split ones here."""
    networks = {name: net.state_dict() for name, net in nets.items() if name != "union"}
    mine = {name: Control(net) for name, net in nets.items()}
    if "union" in nets:
        networks["union"], mine["union"] = nets["union"].state_dict(), Control(controls.loaded_union(nets["union"]))
    given = dict(positive=text(1), negative=text(2))
    theirs = in_host("controls.py", weights=model.network.state_dict(), sdxl=model.family == "sdxl", config=config, networks=networks, **given)
    core = lambda p, n, net, hint, strength: apply_control((p, n), net, hint, strength)
    made = script_here("controls.py").setups(host, replace(model, rows_per_call=2) if split else model, mine, core, **given)
    assert set(made) == set(theirs)
    plain = {}
    for name, (*setup, shape, cfg) in made.items():
        out = sample(setup[0], 1, 2, cfg, "euler", "normal", *setup[1:], {"samples": torch.zeros(shape[0], 4, *shape[1:])})["samples"]
        assert (out - theirs[name]).abs().max() / out.abs().max() < 1e-4, name
        plain[name] = out
    alike = [(a, b) for a in plain for b in plain if a < b and plain[a].shape == plain[b].shape and torch.allclose(plain[a], plain[b], atol=1e-3)]
    assert alike == ([("core after", "core before")] if "core after" in plain else [])  # the same two controls in either order


@SPLIT
def test_sd1(in_host, split):
    network = fill(UNet2DConditionModel(**SD1), 0)
    nets = {"control": control_net(network), "adapter": controls.adapter("full"), "light adapter": controls.adapter("light"),
            "grey adapter": controls.adapter("full", hint=1)}
    compare(in_host, Model(network), nets, {}, split)


@SPLIT
def test_sdxl(in_host, split):
    config = SDXL | dict(block_out_channels=(64, 64, 128), attention_head_dim=(1, 1, 2))
    network = fill(UNet2DConditionModel(**config), 0)
    nets = {"control": control_net(network), "adapter, SDXL": controls.adapter("full, SDXL", widths=(64, 64, 128, 128)), "union": controls.union()}
    sizes = dict(model_channels=64, channel_mult=[1, 1, 2], num_head_channels=64)
    compare(in_host, Model(network, "sdxl", latent=LatentFormat(scale=0.13025)), nets, sizes, split)
