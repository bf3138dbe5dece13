"""Noise levels: timesteps, percents and schedulers."""
from __future__ import annotations

import pytest
import torch
from concord.hosts.diffusers.schedule import DiscreteSchedule
from concord.hosts.diffusers.sigmas import SCHEDULERS, run_sigmas
from concord.processors.errors import ConcordError

SD = DiscreteSchedule.scaled_linear()


def test_stable_diffusions_levels():
    assert len(SD.sigmas) == 1000
    assert float(SD.sigma_min) == pytest.approx(0.029168, abs=1e-6) and float(SD.sigma_max) == pytest.approx(14.614641, abs=1e-5)


def test_levels_are_diffusers_levels():
    from diffusers import EulerDiscreteScheduler
    theirs = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    torch.testing.assert_close(SD.sigmas, ((1 - theirs.alphas_cumprod) / theirs.alphas_cumprod) ** 0.5, rtol=1e-4, atol=1e-6)


def test_timesteps_and_levels_are_inverse():
    timesteps = torch.arange(1000)
    assert torch.equal(SD.timestep(SD.sigmas), timesteps)
    assert torch.equal(SD.timestep(SD.sigma(timesteps + 0.4).view(10, 100)), timesteps.view(10, 100))


def test_log_levels_are_linear_between_timesteps():
    assert float(SD.sigma(torch.tensor(10.5)).log()) == pytest.approx(float(SD.log_sigmas[10] + SD.log_sigmas[11]) / 2, abs=1e-6)


def test_percents():
    assert SD.percent_to_sigma(0.0) > 1e8 and SD.percent_to_sigma(1.0) == 0.0
    assert SD.percent_to_sigma(0.5) == pytest.approx(float(SD.sigma(torch.tensor(499.5))))
    levels = [SD.percent_to_sigma(p / 50) for p in range(51)]
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("steps", [1, 2, 7, 20])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_schedule_falls_to_zero(scheduler, steps):
    sigmas = SCHEDULERS[scheduler](SD, steps)
    assert sigmas.dtype == torch.float32 and sigmas[-1] == 0 and (sigmas[:-1] > sigmas[1:]).all() and sigmas[0] <= SD.sigma_max * 1.0001
    if scheduler != "ddim_uniform":  # it strides over the timesteps, so its first one is where it ends up
        assert len(sigmas) == steps + 1 and sigmas[0] == pytest.approx(float(SD.sigma_max), rel=1e-4)


def test_schedulers_are_their_formulas():
    assert torch.equal(SCHEDULERS["simple"](SD, 4)[:-1], SD.sigmas[[999, 749, 499, 249]])
    assert torch.equal(SCHEDULERS["ddim_uniform"](SD, 4)[:-1], SD.sigmas[[751, 501, 251, 1]])
    assert torch.allclose(SCHEDULERS["normal"](SD, 4)[:-1], SD.sigmas[[999, 666, 333, 0]])
    assert torch.allclose(SCHEDULERS["sgm_uniform"](SD, 3)[:-1], SD.sigmas[[999, 666, 333]])
    ramp = SCHEDULERS["karras"](SD, 9)[:-1] ** (1 / 7)
    torch.testing.assert_close(ramp.diff(), ramp.diff().mean().expand(8), rtol=1e-3, atol=0)
    log = SCHEDULERS["exponential"](SD, 9)[:-1].log()
    torch.testing.assert_close(log.diff(), log.diff().mean().expand(8), rtol=1e-3, atol=0)


def test_denoise_takes_the_end_of_a_longer_schedule():
    assert torch.equal(run_sigmas(SD, "normal", 6, denoise=0.5), SCHEDULERS["normal"](SD, 12)[-7:])
    assert torch.equal(run_sigmas(SD, "normal", 6, denoise=0.99995), SCHEDULERS["normal"](SD, 6))
    assert run_sigmas(SD, "normal", 6, denoise=0.0) is None


def test_parts_of_a_schedule():
    whole = run_sigmas(SD, "karras", 10)
    assert torch.equal(run_sigmas(SD, "karras", 10, end=4), whole[:5])
    assert torch.equal(run_sigmas(SD, "karras", 10, start=4), whole[4:])
    clean = run_sigmas(SD, "karras", 10, end=4, leftover=False)
    assert torch.equal(clean[:-1], whole[:4]) and clean[-1] == 0
    assert torch.equal(run_sigmas(SD, "karras", 10, start=0, end=10000, leftover=False), whole)
    assert run_sigmas(SD, "karras", 10, start=10) is None and run_sigmas(SD, "karras", 10, start=4, end=3) is None


def test_an_unknown_scheduler_names_those_that_fit():
    with pytest.raises(ConcordError, match="'laplace'.*karras.*normal"):
        run_sigmas(SD, "laplace", 10)
