"""The samplers, by ComfyUI's names: each walks x down the sigmas, asking `denoise` for the clean image it heads for.

All have one signature. x [B, C, h, w] is the clean latent plus sigma times unit noise; `denoise(x, sigma [B])` -> clean latent;
`noise(sigma, next sigma)` -> unit noise; `report(step, denoised, x)` is called once a step, before x moves.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .noise import StepNoise, brownian_steps, independent_steps, no_steps

Denoise = Callable[[Tensor, Tensor], Tensor]
Report = Callable[[int, Tensor, Tensor], None]


def euler(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: StepNoise, report: Report) -> Tensor:
    """Euler steps of the probability flow ODE, algorithm 2 without churn of https://arxiv.org/abs/2206.00364."""
    for i, (sigma, sigma_next) in enumerate(_steps(sigmas)):
        denoised = denoise(x, _batch(sigma, x))
        report(i, denoised, x)
        x = x + (x - denoised) / sigma * (sigma_next - sigma)
    return x


def heun(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: StepNoise, report: Report) -> Tensor:
    """Heun's second order steps, algorithm 2 without churn of https://arxiv.org/abs/2206.00364; two evaluations a step but the last."""
    for i, (sigma, sigma_next) in enumerate(_steps(sigmas)):
        denoised = denoise(x, _batch(sigma, x))
        report(i, denoised, x)
        slope, width = (x - denoised) / sigma, sigma_next - sigma
        if sigma_next > 0:
            ahead = x + slope * width
            slope = (slope + (ahead - denoise(ahead, _batch(sigma_next, x))) / sigma_next) / 2
        x = x + slope * width
    return x


def euler_ancestral(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: StepNoise, report: Report) -> Tensor:
    """Euler steps to a lower noise level, then fresh noise back up to the next one: DDPM's posterior variance at eta 1."""
    for i, (sigma, sigma_next) in enumerate(_steps(sigmas)):
        denoised = denoise(x, _batch(sigma, x))
        report(i, denoised, x)
        up = min(sigma_next, (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5)
        down = (sigma_next**2 - up**2) ** 0.5
        if down == 0:
            x = denoised
        else:
            x = x + (x - denoised) / sigma * (down - sigma) + noise(sigma, sigma_next) * up
    return x


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: StepNoise, report: Report) -> Tensor:
    """DPM-Solver++(2M), algorithm 2 of https://arxiv.org/abs/2211.01095, with lambda = -log sigma."""
    last, last_step = None, None
    for i, (sigma, sigma_next) in enumerate(_steps(sigmas)):
        denoised = denoise(x, _batch(sigma, x))
        report(i, denoised, x)
        step = sigma.log() - sigma_next.log()
        target = denoised
        if last is not None and last_step is not None and sigma_next > 0:
            r = last_step / step
            target = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * last
        x = sigma_next / sigma * x - (-step).expm1() * target
        last, last_step = denoised, step
    return x


def dpmpp_2m_sde(denoise: Denoise, x: Tensor, sigmas: Tensor, noise: StepNoise, report: Report) -> Tensor:
    """SDE-DPM-Solver++(2M), midpoint form, equation 18 of https://arxiv.org/abs/2211.01095, eta 1."""
    last, last_step = None, None
    for i, (sigma, sigma_next) in enumerate(_steps(sigmas)):
        denoised = denoise(x, _batch(sigma, x))
        report(i, denoised, x)
        if sigma_next == 0:
            return denoised
        step = sigma.log() - sigma_next.log()
        pull = -(-2 * step).expm1()
        x = sigma_next / sigma * (-step).exp() * x + pull * denoised
        if last is not None:
            x = x + 0.5 * pull * (step / last_step) * (denoised - last)
        x = x + noise(sigma, sigma_next) * sigma_next * pull.sqrt()
        last, last_step = denoised, step
    return x


@dataclass(frozen=True)
class Sampler:
    walk: Callable[[Denoise, Tensor, Tensor, StepNoise, Report], Tensor]
    step_noise: Callable[[Tensor, Tensor, int], StepNoise] = no_steps  # (x, sigmas, seed) -> noise
    fresh_inpaint_noise: bool = False  # in a masked run, the kept part gets noise of its own
    inner: int = 0  # how often it asks again within a step that does not end at 0


SAMPLERS = {
    "euler": Sampler(euler),
    "euler_ancestral": Sampler(euler_ancestral, independent_steps),
    "heun": Sampler(heun, inner=1),
    "dpmpp_2m": Sampler(dpmpp_2m),
    "dpmpp_2m_sde": Sampler(dpmpp_2m_sde, brownian_steps),
    "ddim": Sampler(euler, fresh_inpaint_noise=True),  # DDIM without noise is an Euler step in these variables
}


def _steps(sigmas: Tensor) -> zip[tuple[Tensor, Tensor]]:
    return zip(sigmas[:-1], sigmas[1:], strict=True)


def _batch(sigma: Tensor, x: Tensor) -> Tensor:
    return sigma * x.new_ones(x.shape[0])

