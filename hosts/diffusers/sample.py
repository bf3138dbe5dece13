"""One sampling run, from a latent and two prompts to a latent: what ComfyUI's KSampler does, number for number."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...processors.errors import ConcordError
from ...processors.run import Run
from ...processors.schedule import Progress
from ...processors.stepping import Stepper, changes_canvas, shared_noise
from .entries import Conditioning, prepare
from .guidance import Followed, Guided, Masked
from .looking import look_of
from .model import Model
from .noise import inpaint_noise, shared, start_noise
from .resize import to_batch
from .samplers import SAMPLERS
from .sigmas import run_sigmas
from .unet import sites
from .weights import weights_of

Callback = Callable[[int, Tensor, Tensor, int], None]  # step, clean latent, x, steps of the run


def sample(
    model: Model, seed: int, steps: int, cfg: float, sampler_name: str, scheduler: str, positive: Conditioning, negative: Conditioning, latent: dict[str, Any],
    *, denoise: float = 1.0, add_noise: bool = True, start_at_step: int | None = None, end_at_step: int | None = None, leftover_noise: bool = True,
    callback: Callback | None = None,
) -> dict[str, Any]:
    """-> `latent` with new "samples" [B, 4, h, w], float32 on the CPU, in the VAE's units.

    `latent`: {"samples", optional "noise_mask" [n, 1, y, x] and "batch_index" [B]}. `leftover_noise` False: a run that `end_at_step` cuts still ends clean.
    """
    if sampler_name not in SAMPLERS:
        raise ConcordError(f"sampler {sampler_name!r} is not available here; use one of {', '.join(SAMPLERS)}")
    if not positive:
        raise ConcordError("the positive conditioning is empty; connect a text encode node")
    samples = fitting(latent["samples"], model.latent.channels).float()
    sigmas = run_sigmas(model.sampling, scheduler, steps, denoise, start_at_step, end_at_step, leftover_noise)
    if sigmas is not None:
        noise = start_noise(samples, seed, latent.get("batch_index")) if add_noise else torch.zeros_like(samples)
        with torch.no_grad():
            branches = {"positive": positive, "negative": negative}
            samples = _walk(model, sampler_name, seed, cfg, branches, samples, noise, sigmas, latent.get("noise_mask"), callback)
    return {**latent, "samples": samples}


def _walk(
    model: Model, sampler_name: str, seed: int, cfg: float, branches: dict[str, Conditioning], latent: Tensor, noise: Tensor, sigmas: Tensor,
    mask: Tensor | None, callback: Callback | None,
) -> Tensor:
    sampler = SAMPLERS[sampler_name]
    latent, noise, sigmas = (t.to(model.device, torch.float32) for t in (latent, noise, sigmas))
    if latent.any():  # an empty latent is empty in every unit
        latent = model.latent.process_in(latent)
    batch, canvas = len(latent), tuple(latent.shape[2:])
    denoise = guided(model, cfg, branches, batch, canvas, sigmas)
    run = denoise.run
    run.noise = noise
    givers = shared_noise(run.program.lanes, batch)
    if mask is not None:
        kept_noise = shared(inpaint_noise(noise, seed), givers) if sampler.fresh_inpaint_noise else noise
        denoise = Masked(denoise, latent, kept_noise, _mask(mask, latent))
    run.look = look_of(denoise)
    stepper = Stepper(run, sampler.inner) if changes_canvas(run.program) else None
    denoise = Followed(denoise, stepper) if stepper else denoise
    x = latent + noise * _noise_level(sigmas[0], float(model.sampling.sigma_max))
    steps = len(sigmas) - 1
    report = lambda step, denoised, x: callback(step, denoised, x, steps) if callback else None
    draw = sampler.step_noise(x, sigmas, seed)
    x = sampler.walk(denoise, x, sigmas, lambda sigma, sigma_next: shared(draw(sigma, sigma_next), givers), report)
    x = stepper.leave(x) if stepper else x
    run.finish()
    return model.latent.process_out(x.float()).cpu()


def guided(model: Model, cfg: float, branches: dict[str, Conditioning], batch: int, canvas: tuple[int, int], sigmas: Tensor) -> Guided:
    """The model in a new run over `sigmas`, as a sampler asks it; what cannot compose is refused here."""
    run = Run(model.program, batch, tuple(sigmas.tolist()), Progress(model.sampling.percent_to_sigma), cfg=cfg, weights_of=lambda: weights_of(model.network))
    run.check([site for site, _, _ in sites(model.network)], tuple(branches))
    return Guided(model, prepare(model, branches, batch, canvas), cfg, run)


def _noise_level(sigma: Tensor, sigma_max: float) -> Tensor:
    """A run from the very top starts with all the variance that training saw there, its clean part's included."""
    from_the_top = float(sigma) > sigma_max or math.isclose(float(sigma), sigma_max, rel_tol=1e-5)
    return torch.sqrt(1 + sigma**2) if from_the_top else sigma


def _mask(mask: Tensor, latent: Tensor) -> Tensor:
    """[n, 1, y, x] | [n, y, x] -> [B, C, h, w]"""
    mask = interpolate(mask.reshape(-1, 1, *mask.shape[-2:]).float(), size=latent.shape[2:], mode="bilinear")
    return to_batch(mask, len(latent)).expand_as(latent).to(latent.device)


def fitting(samples: Tensor, channels: int) -> Tensor:
    if samples.shape[1] == channels:
        return samples
    if samples.any():
        raise ConcordError(f"the latent has {samples.shape[1]} channels, the model takes {channels}; encode the picture with the VAE of this model")
    return samples.new_zeros(len(samples), channels, *samples.shape[2:])

