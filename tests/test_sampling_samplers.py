"""Samplers on a problem with a known answer: data ~ N(0, S^2), whose ideal denoiser and whose flow can be written down."""
from __future__ import annotations

import pytest
import torch
from concord.hosts.diffusers.noise import inpaint_noise, start_noise
from concord.hosts.diffusers.samplers import SAMPLERS
from concord.hosts.diffusers.schedule import DiscreteSchedule
from concord.hosts.diffusers.sigmas import SCHEDULERS

from .sampling_models import noise

S = 0.7
SD = DiscreteSchedule.scaled_linear()
STOCHASTIC = ("euler_ancestral", "dpmpp_2m_sde")
ORDERS = {"euler": 1, "ddim": 1, "heun": 2, "dpmpp_2m": 2}
QUIET = lambda step, denoised, x: None


def ideal(x, sigma):
    return x * S**2 / (S**2 + sigma.view(-1, 1, 1, 1) ** 2)


def walk(name: str, x, sigmas, seed: int = 0, denoise=ideal, report=QUIET):
    sampler = SAMPLERS[name]
    return sampler.walk(denoise, x, sigmas, sampler.step_noise(x, sigmas, seed), report)


def flow(x, sigma, sigma_end):
    """Where the probability flow takes x."""
    return x * ((S**2 + sigma_end**2) / (S**2 + sigma**2)) ** 0.5


@pytest.mark.parametrize("name", ORDERS)
def test_order_of_convergence(name):
    x, errors = noise(1, 4, 4, 4).double() * 10, []
    for steps in (40, 80):
        sigmas = torch.linspace(2.3, 0.0, steps + 1, dtype=torch.float64).exp() - 0.5  # ends at 0.5: the last step to 0 is another formula
        errors.append((walk(name, x, sigmas) - flow(x, sigmas[0], sigmas[-1])).abs().max() / x.abs().max())
    assert errors[0] < 0.05 and errors[0] / errors[1] > 0.85 * 2 ** ORDERS[name]


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_have_the_variance_of_the_data(name):
    sigmas = SCHEDULERS["karras"](SD, 100)
    out = walk(name, noise(4, 4, 64, 64) * (1 + sigmas[0] ** 2) ** 0.5, sigmas)
    assert out.std() == pytest.approx(S, rel=0.05) and abs(out.mean()) < 0.02


@pytest.mark.parametrize("name", STOCHASTIC)
def test_step_noise_is_named_by_the_seed(name):
    x, sigmas = noise(1, 4, 8, 8) * 14, SCHEDULERS["normal"](SD, 5)
    assert torch.equal(walk(name, x, sigmas, 3), walk(name, x, sigmas, 3)) and not torch.allclose(walk(name, x, sigmas, 3), walk(name, x, sigmas, 4))


def test_brownian_noise_belongs_to_the_levels_not_to_the_steps():
    x, sigmas = noise(1, 4, 8, 8), torch.tensor([10.0, 5.0, 1.0, 0.0])
    step = SAMPLERS["dpmpp_2m_sde"].step_noise(x, sigmas, 0)
    ten, five, one = sigmas[:3]
    path = step(ten, five) * 5**0.5 + step(five, one) * 4**0.5
    torch.testing.assert_close(step(ten, one) * 3, path, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
def test_reports_every_step_once(name):
    seen = []
    walk(name, noise(2, 4, 4, 4), SCHEDULERS["normal"](SD, 5), report=lambda step, denoised, x: seen.append((step, denoised.shape)))
    assert seen == [(step, (2, 4, 4, 4)) for step in range(5)]


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_end_is_the_last_prediction(name):
    sigmas = SCHEDULERS["normal"](SD, 4)
    last = []
    out = walk(name, noise(1, 4, 4, 4) * 14, sigmas, report=lambda step, denoised, x: last.append(denoised))
    torch.testing.assert_close(out, last[-1], rtol=1e-5, atol=1e-6)


def test_start_noise_by_index():
    batch = torch.zeros(4, 4, 6, 5)
    shared = start_noise(batch, 7, [0, 0, 2, 1])
    assert torch.equal(shared[0], shared[1]) and not torch.equal(shared[0], shared[2])
    in_order = start_noise(batch, 7, [0, 1, 2, 3])
    assert torch.equal(shared[2], in_order[2]) and torch.equal(shared[3], in_order[1])
    assert torch.equal(start_noise(batch[:1], 7, [2])[0], in_order[2])
    assert torch.equal(start_noise(batch[:1], 7), in_order[:1])


def test_noise_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    drawn = start_noise(torch.zeros(1, 4, 8, 8), 2**64 - 1)
    inpaint_noise(drawn, 2**64 - 1)
    for name in STOCHASTIC:
        walk(name, drawn * 14, SCHEDULERS["normal"](SD, 3), 2**64 - 1)
    assert torch.equal(before, torch.random.get_rng_state())
