"""Prompt-to-Prompt in every ComfyUI that is there: its node gives what it gives in the headless host, alone and with the other techniques."""
from __future__ import annotations

import pytest
import torch

from .here import script_here
from .versions import version

DEEP = True  # in older hosts: slow
SCRIPTS = ("prompt_to_prompt.py",)
CASES = ("replace", "refine", "reweight", "refine and reweight", "two groups, odd sizes", "cfg 1", "ancestral", "154 tokens", "blended", "controlled",
         "with style", "with windows", "with a picture", "with all", "with all, other order", "like its source")  # fmt: skip


def test_prompt_to_prompt(check):
    check()


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    module = script_here("prompt_to_prompt.py")
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample

    torch.set_num_threads(1)
    return module.latents(host, lambda model, positive, negative, latent, cfg, sampler:
                          sample(model, 1, 3, cfg, sampler, "normal", positive, negative, latent)["samples"])


@pytest.fixture(scope="session")
def theirs(in_host) -> dict[str, torch.Tensor]:
    return in_host("prompt_to_prompt.py", "in_comfyui")


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("case", CASES)
def test_same_numbers(comfy, ours, theirs, case):
    if case == "ancestral" and version(comfy) < (0, 8):
        pytest.skip("ComfyUI drew the step noise of ancestral samplers from the start noise's generator before 0.8")
    assert set(ours) == set(theirs) == set(CASES)
    assert torch.isfinite(theirs[case]).all() and far(ours[case], theirs[case]) < 1e-4


def test_order_of_nodes_leaves_no_trace(ours, theirs):
    for made in (ours, theirs):
        assert torch.equal(made["with all"], made["with all, other order"])
        assert far(made["with all"][1], made["with windows"][1]) > 1e-3


def test_a_target_like_its_source_is_its_source_to_the_bit(ours, theirs):
    for made in (ours["like its source"], theirs["like its source"]):
        assert torch.equal(made[1], made[0]) and torch.equal(made[2], made[0])


def test_every_case_does_something(ours, theirs):
    names = CASES[:-1]
    assert not [(a, b) for a in names for b in names if a < b and "order" not in a + b and ours[a].shape == ours[b].shape and far(ours[a], ours[b]) < 1e-3]


def test_sdxl(in_host):
    module = script_here("prompt_to_prompt.py")
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.model import LatentFormat, Model
    from concord.hosts.diffusers.sample import sample

    from ..sampling_models import text, unet
    from .test_sampling_parity import LARGE

    network, texts, negative = unet(sdxl=True), [text(1), text(3)], text(2)
    theirs = in_host("prompt_to_prompt.py", "sdxl", weights=network.state_dict(), config=LARGE, texts=texts, negative=negative)
    model, positive, latent = module.edited_sdxl(host, Model(network, "sdxl", latent=LatentFormat(scale=0.13025)), host.practice_model()[1], texts)
    ours = sample(model, 1, 3, 5.0, "euler", "normal", positive, negative, latent)["samples"]
    assert far(ours, theirs) < 1e-4 and far(ours[1], ours[0]) > 1e-2
