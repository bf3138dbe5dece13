"""Every editing technique under every sampler, scheduler and part of a run: finite, or refused by a message that names what to change."""
from __future__ import annotations

from functools import cache

import comfy.samplers
import hostkit as kit
import torch
from comfy.samplers import SAMPLER_NAMES, SCHEDULER_NAMES
from concord.hosts.comfy import host
from concord.hosts.comfy.stepping import NOT_FOLLOWED
from concord.tests.editing_setups import BANK, FOLLOWED, NAMES, PAIRS, Parts, Setup, outcome, setup

NODES = ("StyleAligned", "PromptToPrompt, blended", "MasaCtrl, words", "Null-text")  # one of each kind: the last has an inversion and its bank, too
OTHER_LEVELS = ("dpm_2", "dpm_2_ancestral")  # for these KSampler leaves out the last noise level but one
SAMPLERS = [name for name in SAMPLER_NAMES if not name.startswith("ar_")]  # those are of video models
PARTS = {"denoise": dict(denoise=0.5), "first step": dict(last_step=1), "first step, clean": dict(last_step=1, force_full_denoise=True),
         "last step": dict(start_step=1, disable_noise=True), "one step": dict(steps=1)}  # fmt: skip


@cache
def made(name: str, size: tuple[int, int] = (8, 12), scheduler: str = "normal") -> Setup:
    return setup(name, Parts(host, *model(), size=size, scheduler=scheduler))


@cache
def model():
    return kit.unet(channel_mult=[1, 2], num_res_blocks=[1, 1], transformer_depth=[1, 1], transformer_depth_output=[1] * 4), kit.clip()


def run(found: Setup, **settings) -> torch.Tensor:
    latent = settings.pop("latent", found.latent)
    return kit.sample(found.model, found.positive, found.negative, latent, **{"steps": 2, "cfg": found.cfg, **settings})


def expect(refusal: str, name: str, way: object, **settings) -> None:
    """A run ends well, or is refused by a message of one line in which `refusal` stands."""
    said = outcome(lambda: run(made(name, *settings.pop("setup", ())), **settings))
    assert bool(said) == bool(refusal) and refusal in said and "\n" not in said, f"{name}, {way}: {said or 'was accepted'}"


def check_samplers():
    for name in NODES:
        for sampler in SAMPLERS:
            refused = name in FOLLOWED and sampler in NOT_FOLLOWED or name in BANK and sampler in OTHER_LEVELS
            expect(sampler if refused else "", name, sampler, sampler=sampler)


def check_schedulers():
    """An inversion goes over every scheduler's levels, and its run with it."""
    for scheduler in SCHEDULER_NAMES:
        for name in ("PromptToPrompt, blended", "StyleAligned, a real picture", "Null-text"):
            expect("", name, scheduler, setup=((8, 12), scheduler), scheduler=scheduler)


def check_parts_of_a_run():
    for name in NAMES:
        for way, settings in PARTS.items():
            for sampler in ("heun", "dpmpp_sde"):
                expect("denoise 1" if way == "denoise" and name in BANK else "", name, (way, sampler), sampler=sampler, **settings)


def check_odd_sizes_masks_and_batches():
    mask = torch.ones(1, 1, 64, 96).tril()
    for name in NAMES:
        expect("", name, "odd size", setup=((7, 5),))
        for sampler in ("ddim", "dpmpp_2s_ancestral_cfg_pp"):
            expect("", name, f"mask, {sampler}", latent={**made(name).latent, "noise_mask": mask}, sampler=sampler)
        expect("the latent that comes out of the node" if name in PAIRS else "", name, "batch 1", latent=torch.zeros(1, 4, 8, 12))
        expect("cfg 1" if name == "Null-text" else "", name, "cfg 1", cfg=1.0)


def check_levels_of_ones_own():
    """SIGMAS that no scheduler makes, as custom samplers take them."""
    def custom(found: Setup, sampler: str, sigmas: list[float]) -> torch.Tensor:
        latent = found.latent["samples"]
        return comfy.samplers.sample(found.model, torch.randn_like(latent), found.positive, found.negative, found.cfg, torch.device("cpu"),
                                     comfy.samplers.sampler_object(sampler), torch.tensor(sigmas), latent_image=latent, seed=1)  # fmt: skip

    for name in NODES:
        for sampler in ("euler", "dpmpp_2m_sde", "lms"):
            for sigmas in ([14.6, 6.5, 2.6, 0.0], [9.0, 3.0]):
                said = outcome(lambda: custom(made(name), sampler, sigmas))  # noqa: B023
                assert ("noise level" in said) == (name in BANK) == bool(said), f"{name}, {sampler}, {sigmas}: {said or 'was accepted'}"
