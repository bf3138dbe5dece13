"""Each editing technique with each sampler, scheduler and part of a run of the headless host: finite, or refused by a message that names what to change."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.hosts.diffusers.samplers import SAMPLERS  # noqa: E402
from concord.hosts.diffusers.sigmas import SCHEDULERS  # noqa: E402

from .contract.techniques import far, model  # noqa: E402
from .editing_setups import BANK, NAMES, PAIRS, Parts, Setup, outcome, setup  # noqa: E402

PARTS = {"denoise": dict(denoise=0.5), "first step": dict(end_at_step=1), "first step, clean": dict(end_at_step=1, leftover_noise=False),
         "last step": dict(start_at_step=1, add_noise=False), "one step": dict(steps=1)}  # fmt: skip


@cache
def clip():
    return host.practice_model()[1]


@cache
def made(name: str, size: tuple[int, int] = (8, 12), scheduler: str = "normal") -> Setup:
    return setup(name, Parts(host, model(), clip(), size, scheduler=scheduler))


def run(found: Setup, sampler: str = "euler", scheduler: str = "normal", steps: int = 2, **settings) -> torch.Tensor:
    latent, cfg = settings.pop("latent", found.latent), settings.pop("cfg", found.cfg)
    return sample(found.model, 1, steps, cfg, sampler, scheduler, found.positive, found.negative, latent, **settings)["samples"]


def expect(refusal: str, found: Setup, **settings) -> None:
    """The run ends well, or is refused by a message in which `refusal` stands."""
    said = outcome(lambda: run(found, **settings))
    assert bool(said) == bool(refusal) and refusal in said, f"{settings}: {said or 'was accepted'}"


HARDEST = ("heun", "dpmpp_2m_sde")  # evaluates twice a step; draws noise and remembers


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sampler", [pytest.param(name, marks=[pytest.mark.slow] * (name not in HARDEST)) for name in SAMPLERS])
def test_samplers(name, sampler):
    expect("", made(name), sampler=sampler)


@pytest.mark.parametrize("scheduler", [pytest.param(name, marks=[pytest.mark.slow] * (name not in ("karras", "ddim_uniform"))) for name in SCHEDULERS])
@pytest.mark.parametrize("name", ("PromptToPrompt, blended", *BANK))
def test_an_inversion_and_its_run_go_over_every_schedulers_levels(name, scheduler):
    expect("", made(name, scheduler=scheduler), scheduler=scheduler)


def thirds(first: Sequence[str], second: Sequence[str]) -> list:
    """All pairs, of which a third is quick: every name of both comes in it."""
    return [pytest.param(one, other, marks=[pytest.mark.slow] * ((i + j) % 3 > 0)) for i, one in enumerate(first) for j, other in enumerate(second)]


@pytest.mark.parametrize("name,way", thirds(NAMES, tuple(PARTS)))
def test_parts_of_a_run(name, way):
    expect("denoise 1" if way == "denoise" and name in BANK else "", made(name), sampler="heun", **PARTS[way])


@pytest.mark.parametrize("name", [name for name in NAMES if "blended" not in name])  # which reads maps from the first step on
def test_two_halves_are_the_whole(name):
    found = made(name)
    first = run(found, end_at_step=1)
    second = run(found, start_at_step=1, add_noise=False, latent={**found.latent, "samples": first})
    assert far(second, run(found)) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_odd_sizes_masks_and_one_entry_a_call(name):
    expect("", made(name, (7, 5)))
    found = made(name)
    for sampler in ("ddim", "euler_ancestral"):
        expect("", found, sampler=sampler, latent={**found.latent, "noise_mask": torch.ones(1, 1, 64, 96).tril()})
    assert far(run(found._replace(model=replace(found.model, rows_per_call=1))), run(found)) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_a_single_picture_and_cfg_1(name):
    expect("the latent that comes out of the node" if name in PAIRS else "", made(name), latent={"samples": torch.zeros(1, 4, 8, 12)})
    expect("cfg 1" if name == "Null-text" else "", made(name), cfg=1.0)
