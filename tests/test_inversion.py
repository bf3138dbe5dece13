"""DDIM inversion: the published formulas to the last digits, round trips that close with more steps, banks that only their own run can follow."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.graph.context import Context, using
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.errors import ConcordError
from concord.processors.latents.bank import Bank
from concord.processors.latents.follow import follow_bank
from concord.processors.latents.inversion import invert, round_trip_error, walk_back
from concord.processors.rows import Lanes
from diffusers import DDIMInverseScheduler, DDIMScheduler

from .sampling_models import noise, text, unet

PAIR = Lanes(((0, "source", 0), (1, "target", 0)))
PICTURE = {"samples": noise(1, 4, 6, 8, seed=3) * 0.8}
SCHEDULE = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, timestep_spacing="leading", steps_offset=1)


def model(seed: int = 0) -> Model:
    return Model(unet(seed), latent=LatentFormat(scale=1.0))


def inverted(steps: int = 6, m: Model | None = None, **settings) -> Bank:
    return host.invert(m or model(), PICTURE, text(1), text(2), steps, settings.pop("scheduler", "normal"), **settings)


def scheduler(kind, steps: int, set_alpha_to_one: bool):
    """One of diffusers' in float64, and the noise level of each of its timesteps."""
    made = kind(**SCHEDULE, set_alpha_to_one=set_alpha_to_one)
    for name in ("alphas_cumprod", "initial_alpha_cumprod", "final_alpha_cumprod"):
        if hasattr(made, name):
            setattr(made, name, torch.as_tensor(getattr(made, name)).double())
    made.set_timesteps(steps)
    return made, {int(t): float(((1 - made.alphas_cumprod[t]) / made.alphas_cumprod[t]) ** 0.5) for t in made.timesteps}


def double_unet():
    return unet().double()


def denoiser(network, label: dict[float, int], context):
    """What a host gives a sampler, in float64: the clean latent at sigma, asked with the timestep that has it."""

    def denoise(x, sigma):
        level = float(sigma[0])
        with torch.no_grad():
            return x - level * network(x / (1 + level**2) ** 0.5, label[level], context).sample

    return denoise


@pytest.mark.parametrize("set_alpha_to_one", [True, False], ids=["clean is sigma 0", "clean is the first alpha"])
def test_target_is_diffusers_inverse_scheduler(set_alpha_to_one):
    """And the way back is its DDIM scheduler; float64, 8 steps."""
    network, context, start = double_unet(), noise(1, 7, 64, seed=1).double(), noise(1, 4, 6, 8).double()
    inverse, sigma_of = scheduler(DDIMInverseScheduler, 8, set_alpha_to_one)
    x = start
    with torch.no_grad():
        for t in inverse.timesteps:
            x = inverse.step(network(x, t, context).sample, int(t), x).prev_sample
    forward, _ = scheduler(DDIMScheduler, 8, set_alpha_to_one)
    back = x
    with torch.no_grad():
        for t in forward.timesteps:
            back = forward.step(network(back, t, context).sample, int(t), back).prev_sample
    last = 0.0 if set_alpha_to_one else float(((1 - inverse.alphas_cumprod[0]) / inverse.alphas_cumprod[0]) ** 0.5)
    sigmas = (*sorted(sigma_of.values(), reverse=True), last)
    scale = lambda sigma: (1 + sigma**2) ** 0.5
    denoise = denoiser(network, {sigma: t for t, sigma in sigma_of.items()}, context)
    ours = invert(denoise, start * scale(last), sigmas, "target")
    assert (ours[0] / scale(sigmas[0]) - x).abs().max() < 1e-9 * x.abs().max()
    assert torch.equal(ours[-1], start * scale(last)) and len(ours) == 9
    assert (walk_back(denoise, ours[0], sigmas) / scale(last) - back).abs().max() < 1e-9 * back.abs().max()


def test_start_is_the_ode_walked_the_other_way():
    """eps(z_t, t) for the step from t up (StyleID): z_s = sqrt(a_s) (z_t - sqrt(1 - a_t) eps) / sqrt(a_t) + sqrt(1 - a_s) eps; the clean latent is asked
    as it is, at the lowest timestep."""
    network, context, z = double_unet(), noise(1, 7, 64, seed=1).double(), noise(1, 4, 6, 8).double()
    made, sigma_of = scheduler(DDIMScheduler, 8, True)
    timesteps, alphas = sorted(sigma_of), made.alphas_cumprod
    lowest = float(((1 - alphas[0]) / alphas[0]) ** 0.5)
    sigmas, start = (*(sigma_of[t] for t in reversed(timesteps)), 0.0), z
    a = torch.ones((), dtype=torch.float64)
    for t, label in zip(timesteps, (0, *timesteps[:-1]), strict=True):
        with torch.no_grad():
            eps = network(z, label, context).sample
        z = alphas[t].sqrt() * (z - (1 - a).sqrt() * eps) / a.sqrt() + (1 - alphas[t]).sqrt() * eps
        a = alphas[t]
    ours = invert(denoiser(network, {**{s: t for t, s in sigma_of.items()}, lowest: 0}, context), start, sigmas, "start", lowest)
    assert (ours[0] / (1 + sigmas[0] ** 2) ** 0.5 - z).abs().max() < 1e-9 * z.abs().max()


@pytest.mark.parametrize("eps_at", ["target", "start"])
def test_round_trips_close_with_more_steps(eps_at):
    m = model()
    errors = []
    for steps in (4, 12, 36):
        bank = inverted(steps, m, eps_at=eps_at)
        errors.append(round_trip_error(host.walk_back(m, bank, text(1), text(2)), bank.latents[-1]))
    assert errors[0] > 1.5 * errors[1] > 2.2 * errors[2] > 0, errors


@pytest.mark.parametrize("kind", ["normal", "karras", "ddim_uniform"])
def test_an_ordinary_sampler_comes_back(kind):
    """The noise as a LATENT, for a sampler that adds none: the same as walking back."""
    m = model()
    bank = inverted(5, m, scheduler=kind, cfg=1.5)
    again = sample(m, 0, 5, 1.5, "euler", kind, text(1), text(2), host.as_latent(m, bank.latents[0]), add_noise=False)["samples"]
    assert torch.allclose(again, host.walk_back(m, bank, text(1), text(2), 1.5), atol=1e-5)
    assert torch.equal(bank.latents[-1], PICTURE["samples"]) and bank.latents[0].std() > 1


def test_an_active_program_is_inverted_too():
    m = model()
    aligned = host.attach(m, *style_aligned(), lanes=reference_lane())
    two = {"samples": noise(2, 4, 6, 8, seed=3)}
    plain, styled = (host.invert(one, two, text(1), text(2), 4, "normal") for one in (m, aligned))
    assert torch.allclose(plain.latents[:, 0], styled.latents[:, 0], atol=1e-4) and not torch.allclose(plain.latents[:, 1], styled.latents[:, 1], atol=1e-2)
    with pytest.raises(ConcordError, match="DDIM inversion.*before that node"):
        host.invert(host.attach(m, *follow_bank(plain)), two, text(1), text(2), 4, "normal")


def test_interruption_leaves_nothing():
    class Stop(Exception):
        pass

    def stop(value, total, label):
        assert total == 5
        if value == 3:
            raise Stop

    m, expected = model(), inverted(5)
    with using(Context(progress=stop)), pytest.raises(Stop):
        inverted(5, m)
    assert torch.equal(inverted(5, m).latents, expected.latents)


def follow(bank: Bank, m: Model, steps: int = 6, kind: str = "normal", latent=None, lanes: Lanes = PAIR, **settings):
    followed = host.attach(m, *follow_bank(bank, **settings), lanes=lanes)
    latent = latent or {"samples": torch.zeros(len(lanes.roles), 4, 6, 8), "batch_index": [0] * len(lanes.roles)}
    return sample(followed, 1, steps, 4.0, "euler", kind, text(1), text(2), latent)["samples"]


def test_a_source_that_follows_ends_at_the_picture():
    m = model()
    bank = inverted(m=m)
    made = follow(bank, m)
    plain = sample(m, 1, 6, 4.0, "euler", "normal", text(1), text(2), {"samples": torch.zeros(2, 4, 6, 8), "batch_index": [0, 0]})["samples"]
    assert torch.equal(made[:1], PICTURE["samples"]) and torch.equal(made[1], plain[1])


def test_each_group_follows_its_own_picture():
    m = model()
    lanes = Lanes(((0, "source", 3), (1, "target", 3), (2, "source", 8), (3, "target", 8)))
    pictures = {"samples": noise(2, 4, 6, 8, seed=5)}
    bank = host.invert(m, pictures, text(1), text(2), 6, "normal")
    assert torch.equal(follow(bank, m, lanes=lanes)[::2], pictures["samples"])
    with pytest.raises(ConcordError, match="holds 2 pictures.*asks for 3"):
        follow(bank, m, lanes=Lanes((*lanes.roles, (4, "source", 9))))


def test_what_a_bank_does_not_fit_is_refused():
    m = model()
    bank = inverted(m=m)
    for changed, match in ((dict(steps=7), "6 steps"), (dict(kind="karras"), "scheduler"), (dict(m=model(seed=1)), "other weights"),
                           (dict(latent={"samples": torch.zeros(2, 4, 8, 8)}), "64 x 48 pixels.*64 x 64")):
        with pytest.raises(ConcordError, match=match):
            follow(bank, **{"m": m, **changed})
    with pytest.raises(ConcordError, match="hold is 1"):
        follow_bank(bank, hold=1.0)


def test_a_held_start():
    """google/style-aligned's callback with offset 2 of 6: step 0 has the latent of level 2, steps 1 to 3 that of level 3, then each its own; as the
    network sees them, x / sqrt(1 + sigma^2)."""
    sigmas = (9.0, 6.0, 4.0, 2.0, 1.0, 0.5, 0.0)
    bank = Bank(noise(7, 1, 4, 2, 2), sigmas)
    seen = lambda x, sigma: x / (1 + sigma**2) ** 0.5
    for level, kept in enumerate((2, 3, 3, 3, 4, 5, 6)):
        assert torch.allclose(seen(bank.held(sigmas[level], 0.34), sigmas[level]), seen(bank.latents[kept], sigmas[kept]), atol=1e-6)
    assert torch.equal(bank.held(4.0, 0.0), bank.at(4.0))


def test_a_bank_is_known_by_its_content():
    bank = inverted(3)
    assert bank.id == inverted(3).id != inverted(3, cfg=1.2).id and bank.id != replace(bank, weights="other").id
    assert follow_bank(bank)[0].id == follow_bank(inverted(3))[0].id
