"""DDIM inversion: from a picture's latent up to the noise from which a sampler comes back to it.

Song et al., Denoising Diffusion Implicit Models, arXiv 2010.02502, section 4.3; Dhariwal and Nichol, arXiv 2105.05233, appendix F. In the variables of
ComfyUI's samplers (x = clean + sigma * noise) a DDIM step is an Euler step, and so is its inverse: x' = x + (sigma' - sigma) eps.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..edit import Program
from ..errors import ConcordError
from ..stepping import changers, changes_canvas

EPS_AT = ("target", "start")
Denoise = Callable[[Tensor, Tensor], Tensor]  # x [B, C, h, w], sigma [B] -> the clean latent
Report = Callable[[int, Tensor, Tensor], None]  # step counted up from 0, clean latent, x


def invert(denoise: Denoise, x: Tensor, sigmas: Sequence[float], eps_at: str = "target", lowest: float = 0.0, report: Report | None = None) -> Tensor:
    """x [B, C, h, w], a latent at the last of the falling `sigmas`, walked up to the first -> [T + 1, B, C, h, w], noise first; the last is x itself.

    eps_at: the noise of a step is asked with the timestep that it goes to ("target": diffusers' DDIMInverseScheduler, MasaCtrl), or with that of where it
    starts ("start": StyleID, ComfyUI's samplers on turned sigmas). The network sees the x of the start both times. A clean x has no noise level of its
    own: it is asked about as it is, at the model's `lowest`.
    """
    if eps_at not in EPS_AT:
        raise ConcordError(f"unknown place {eps_at!r} to ask for the noise; there are {', '.join(EPS_AT)}")
    trajectory = [x]
    rising = tuple(reversed(tuple(sigmas)))
    for step, (here, there) in enumerate(zip(rising[:-1], rising[1:], strict=True)):
        level = there if eps_at == "target" else max(here, lowest)
        seen = x * ((1 + level**2) / (1 + here**2)) ** 0.5  # so that x / sqrt(1 + level^2) is what the network would see at `here`
        denoised = denoise(seen, torch.full((len(x),), level, dtype=x.dtype, device=x.device))
        x = x + (there - here) * (seen - denoised) / level
        trajectory.append(x)
        if report:
            report(step, denoised, x)
    return torch.stack(trajectory[::-1])


def walk_back(denoise: Denoise, x: Tensor, sigmas: Sequence[float], report: Report | None = None) -> Tensor:
    """x [B, C, h, w] at the first of the falling `sigmas` down to the last, in Euler steps (DDIM without noise)."""
    for step, (here, there) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        denoised = denoise(x, torch.full((len(x),), here, dtype=x.dtype, device=x.device))
        x = x + (x - denoised) / here * (there - here)
        if report:
            report(step, denoised, x)
    return x


def round_trip_error(made: Tensor, picture: Tensor) -> float:
    """How far [B, C, h, w] is from the latent that it should be: root mean square of the difference, as a share of the latent's deviation. 0 is exact."""
    return float((made - picture).float().square().mean().sqrt() / picture.float().std().clamp(min=1e-8))


def check_program(program: Program) -> None:
    """What is attached to the model may change what it sees, but not the canvas between the steps of a way down."""
    if changes_canvas(program):
        raise ConcordError(f"{changers(program)} changes pictures on a sampler's way down, and an inversion goes up; "
                           "invert with the model from before that node")
