"""Inversion in ComfyUI: a sampler of its own that goes up the schedule, run by the host like any other."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from torch import Tensor

from ...processors.edit import Program
from ...processors.latents import inversion
from ...processors.latents.bank import Bank
from .session import PROGRAM
from .support import check_mask_is_told, check_supported
from .weights import weights_of


@dataclass(frozen=True, eq=False)
class Seen:
    """The model as a sampler of the host is given it."""

    model: Any  # whose inner_model is the guider
    extra: dict[str, Any]
    callback: Any

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self.model(x, sigma, **self.extra)

    def report(self, step: int, denoised: Tensor, x: Tensor) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        self.callback({"i": step, "denoised": denoised, "x": x})


def invert(model: Any, latent: dict[str, Any], positive: list, negative: list, steps: int, scheduler: str, cfg: float = 1.0, eps_at: str = "target") -> Bank:
    """The pictures of a LATENT, walked up to noise over a scheduler's levels, with all that is attached to the model on the way."""
    check_supported(model)
    check_mask_is_told(model, latent, positive, negative)
    inversion.check_program(model.model_options.get("transformer_options", {}).get(PROGRAM, Program()))
    sampling = model.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, scheduler, steps)
    levels, lowest, found = sigmas.tolist(), float(sampling.sigma_min), []

    def climb(seen: Seen, x: Tensor) -> Tensor:
        found.append(inversion.invert(seen, x, levels, eps_at, lowest, seen.report))
        return x

    run(model, climb, comfy.sample.fix_empty_latent_channels(model, latent["samples"]), sigmas, positive, negative, cfg)
    return Bank(found[0].float().cpu(), tuple(levels), cfg, weights_of(model))


def walk_back(model: Any, bank: Bank, positive: list, negative: list, cfg: float = 1.0) -> Tensor:
    """From the bank's noise down to pictures [B, C, h, w] again, in the network's units."""
    found = []

    def descend(seen: Seen, x: Tensor) -> Tensor:
        found.append(inversion.walk_back(seen, bank.latents[0].to(x), bank.sigmas, seen.report))
        return found[0]

    run(model, descend, as_latent(model, bank.latents[0])["samples"], torch.tensor(bank.sigmas), positive, negative, cfg)
    return found[0].float().cpu()


def run(model: Any, walk: Callable[[Seen, Tensor], Tensor], samples: Tensor, sigmas: Tensor, positive: list, negative: list, cfg: float) -> None:
    """A run of the host from `samples` [B, C, h, w] without noise, which `walk` does; progress, previews and interruption as in every sampler."""

    def sampler(model_k: Any, x: Tensor, sigmas: Tensor, extra_args: dict, callback: Any, disable: Any, noise_sampler: Any = None) -> Tensor:
        return walk(Seen(model_k, extra_args, callback), x)

    comfy.samplers.sample(
        model, torch.zeros_like(samples), positive, negative, cfg, model.load_device, comfy.samplers.KSAMPLER(sampler), sigmas, model.model_options,
        latent_image=samples, callback=latent_preview.prepare_callback(model, len(sigmas) - 1), disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED, seed=0)


def as_latent(model: Any, x: Tensor) -> dict[str, Tensor]:
    """[B, C, h, w] in the network's units -> LATENT."""
    return {"samples": model.model.process_latent_out(x)}


def from_latent(model: Any, latent: dict[str, Any]) -> Tensor:
    """LATENT -> [B, C, h, w] in the network's units."""
    return model.model.process_latent_in(comfy.sample.fix_empty_latent_channels(model, latent["samples"]))
