"""Prompt-to-Prompt over whole runs of a small random network: the numbers of the authors' controllers, of maps written out, and of the node.

`prompt_to_prompt_runs.json` holds latents[:, :, 3::9, 5::9] of runs whose attention maps were handed to the authors' controllers (google/prompt-to-prompt,
as inbarhub/DDPM_inversion at 58fc881 carries them: AttentionReplace, AttentionRefine, AttentionReweight, with LOW_RESOURCE off) by an attention processor
that only computes softmax(q k / sqrt(d)) and multiplies what they give by v; made outside this project, with the settings of RUNS in the authors' units:
cross_replace_steps 0.8 (4 of 5 steps), "dog" 0-0.4 (2), "hill" 0.35-0.8 (steps 2 and 3), self_replace_steps 0.4 (2), layers up to 16 x 16.
"""
from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.processors.attention.masactrl import masactrl  # noqa: E402
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt  # noqa: E402
from concord.processors.conditions.lanes import grouped, roles  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402

from . import sampling_models as networks  # noqa: E402
from .prompt_to_prompt_written import write_out  # noqa: E402
from .prompts import prompt  # noqa: E402

OFFICIAL = json.loads((Path(__file__).parent / "prompt_to_prompt_runs.json").read_text(encoding="utf-8"))
SOURCE, CAT = "a red cat on a hill", "a red fluffy cat on a hill at night"
RUNS = {
    "plain": ((SOURCE, SOURCE), dict(cross="default:0-0", layout=(0.0, 0.0))),
    "replace": (("a red labradoodle on a hill", "a blue dog on a mountain"), dict(mode="replace", cross="default:0-0.9, dog:0-0.4, hill:0.35-0.9")),
    "refine": ((CAT, "a dog on hill"), dict(mode="refine", cross="default:0-0.9")),
    "reweight": ((SOURCE, SOURCE), dict(mode="reweight", cross="default:0-0.9", weights="hill:3, red:-1")),
    "refine and reweight": ((CAT, CAT), dict(mode="refine", cross="default:0-0.9", weights="fluffy:2")),
}


def drawn(targets, groups: int = 1, canvas: tuple[int, int] = (32, 32), steps: int = 5, cfg: float = 5.0, rows_per_call=None, length: int = 77, **settings):
    edits = prompt_to_prompt(prompt(SOURCE), [prompt(text) for text in targets], groups=groups, **{"layout": (0.0, 0.4), "fraction": 0.25, **settings})
    model = host.attach(Model(networks.unet(), latent=LatentFormat(scale=1.0), rows_per_call=rows_per_call), *edits, lanes=roles(groups, len(targets)))
    lanes = 1 + len(targets)
    text = [[t.repeat(groups, 1, 1), keys] for t, keys in networks.text(1, samples=lanes)]
    latent = grouped({"samples": torch.zeros(groups, 4, *canvas)}, lanes)
    return sample(model, 1, steps, cfg, "euler", "normal", text, networks.text(2), latent)["samples"]


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", RUNS)
def test_the_authors_controllers(name):
    targets, settings = RUNS[name]
    expected = torch.tensor(OFFICIAL[name]).reshape(3, 4, 4, 3)
    assert far(drawn(targets, **settings)[:, :, 3::9, 5::9], expected) < 1e-4


@pytest.mark.parametrize("cfg", (5.0, 1.0))
def test_groups_are_separate_and_branches_may_be_split(cfg):
    targets, settings = RUNS["replace"]
    small = dict(canvas=(9, 12), steps=2, cfg=cfg, **settings)
    two = drawn(targets, 2, **small)
    assert far(two[:3], drawn(targets, 1, **small)) < 1e-4 and far(two[3:], two[:3]) > 1e-2
    assert far(drawn(targets, 2, rows_per_call=6, **small), two) < 1e-4


def test_a_target_like_its_source_is_its_source_to_the_bit():
    edits = prompt_to_prompt(prompt(SOURCE), (prompt(SOURCE),), "refine", 2)
    model = host.attach(Model(networks.unet(), latent=LatentFormat(scale=1.0)), *edits, lanes=roles(2, 1))
    out = sample(model, 1, 3, 5.0, "euler", "normal", networks.text(1), networks.text(2), grouped({"samples": torch.zeros(2, 4, 8, 12)}, 2))["samples"]
    assert torch.equal(out[0], out[1]) and torch.equal(out[2], out[3]) and not torch.allclose(out[0], out[2])


@pytest.mark.parametrize("sdxl", (False, True), ids=("sd1", "sdxl"))
@pytest.mark.parametrize("mode", ("replace", "refine"))
def test_maps_written_out(mode, sdxl):
    """Two groups, 154 tokens, weights: against every map written out, over a whole run."""
    source, target = (prompt("a red cat on a hill " * 16 + end) for end in ("at night", "at noon"))
    edits = prompt_to_prompt(source, [target], mode, 2, "default:0-0.6, noon:0-0.2", (0.0, 0.6), 0.25, "hill:2")
    network = networks.unet(sdxl=sdxl)
    plain = Model(network, "sdxl" if sdxl else "sd1", latent=LatentFormat(scale=1.0))
    text = [[networks.noise(2, 154, 64, seed=1).repeat(2, 1, 1), {"pooled_output": networks.noise(2, 1280, seed=3).repeat(2, 1)}]]
    latent = grouped({"samples": torch.zeros(2, 4, 8, 12)}, 2)
    run = lambda model: sample(model, 1, 4, 5.0, "euler", "normal", text, networks.text(2), latent)["samples"]
    ours, without = run(host.attach(plain, *edits, lanes=roles(2, 1))), run(plain)
    write_out(network, source, target, mode)
    assert far(ours, run(plain)) < 1e-4 and far(ours, without) > 1e-3


def test_it_leaves_no_trace_and_is_refused_beside_masactrl():
    edits = prompt_to_prompt(prompt(SOURCE), [prompt(CAT)], "refine", fraction=1.0)
    plain = Model(networks.unet(), latent=LatentFormat(scale=1.0))
    model = host.attach(plain, *edits, lanes=roles(1, 1))
    run = lambda model: sample(model, 1, 2, 3.0, "euler", "normal", networks.text(1, samples=2), networks.text(2), latent)["samples"]
    latent, processors = grouped({"samples": torch.zeros(1, 4, 8, 8)}, 2), dict(plain.network.attn_processors)
    before, first = run(plain), run(model)
    assert torch.equal(run(plain), before) and torch.equal(run(model), first) and plain.network.attn_processors == processors
    with pytest.raises(ConcordError, match="(PromptToPrompt and MasaCtrl|MasaCtrl and PromptToPrompt) both set the keys of target image 1"):
        run(host.attach(model, *masactrl(window=(0.0, 1.0), layers=None)))
