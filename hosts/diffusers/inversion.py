"""Inversion where diffusers is the host: a run that goes up the schedule."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...processors.errors import ConcordError
from ...processors.latents import inversion
from ...processors.latents.bank import Bank
from .entries import Conditioning
from .graph.context import current
from .model import Model
from .sample import fitting, guided
from .sigmas import run_sigmas
from .weights import weights_of


def invert(model: Model, latent: dict[str, Any], positive: Conditioning, negative: Conditioning, steps: int, scheduler: str, cfg: float = 1.0,
           eps_at: str = "target") -> Bank:
    """The pictures of a LATENT, walked up to noise over a scheduler's levels, with all that the model's program does on the way."""
    inversion.check_program(model.program)
    sigmas = run_sigmas(model.sampling, scheduler, steps)
    samples = fitting(latent["samples"], model.latent.channels)
    if sigmas is None or not positive:
        raise ConcordError("the inversion needs at least one step and a positive conditioning; connect a text encode node")
    x = model.latent.process_in(samples.to(model.device, torch.float32))
    with torch.no_grad():
        denoise = guided(model, cfg, {"positive": positive, "negative": negative}, len(x), tuple(x.shape[-2:]), sigmas)
        found = inversion.invert(denoise, x, sigmas.tolist(), eps_at, float(model.sampling.sigma_min), teller(len(sigmas) - 1, "inverting"))
    denoise.run.finish()
    return Bank(found.float().cpu(), tuple(sigmas.tolist()), cfg, weights_of(model.network))


def walk_back(model: Model, bank: Bank, positive: Conditioning, negative: Conditioning, cfg: float = 1.0) -> Tensor:
    """From the bank's noise down to pictures [B, C, h, w] again, in the network's units."""
    sigmas = torch.tensor(bank.sigmas)
    with torch.no_grad():
        x = bank.latents[0].to(model.device)
        denoise = guided(model, cfg, {"positive": positive, "negative": negative}, len(x), tuple(x.shape[-2:]), sigmas)
        x = inversion.walk_back(denoise, x, bank.sigmas, teller(bank.steps, "walking back"))
    denoise.run.finish()
    return x.float().cpu()


def as_latent(model: Model, x: Tensor) -> dict[str, Tensor]:
    """[B, C, h, w] in the network's units -> LATENT."""
    return {"samples": model.latent.process_out(x)}


def from_latent(model: Model, latent: dict[str, Any]) -> Tensor:
    """LATENT -> [B, C, h, w] in the network's units."""
    return model.latent.process_in(fitting(latent["samples"], model.latent.channels))


def teller(total: int, label: str) -> inversion.Report:
    return lambda step, denoised, x: current().step(step + 1, total, label)
