"""Null-text inversion: a negative prompt of its own for every step, with which guidance leads back to the inverted picture.

Mokady et al., Null-text Inversion for Editing Real Images using Guided Diffusion Models, arXiv 2211.09794, section 3.2 and algorithm 1. Its companion
that needs no gradients says the source's own prompt as the negative: Miyake et al., Negative-prompt Inversion, arXiv 2305.16807.
"""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..edit import AttentionEdit, Order, Program
from ..errors import ConcordError
from ..latents.bank import Bank
from ..latents.inversion import check_program
from .own_negative import OwnNegative

RATE, FALL, LEAST = 1e-2, 100, 0.1  # the authors' rate; it falls by a hundredth of itself with each step, and in long schedules ends at a tenth
CLOSE, CLOSE_MORE = 1e-5, 2e-5  # enough is enough: in the first step, and what each later step adds
SCALE = 2.0**12  # so that gradients are not lost in half precision; a power of two changes no digit

Positive = Callable[[Tensor, Tensor], Tensor]  # x [B, C, h, w], sigma [B] -> the clean latent
Negative = Callable[[Tensor, Tensor, Tensor], Tensor]  # the same with the text [B, M, C], and a gradient to it


def optimise(positive: Positive, negative: Negative, trajectory: Tensor, sigmas: tuple[float, ...], start: Tensor, cfg: float, inner_steps: int = 10,
             rate: float = RATE, report: Callable[[int], None] | None = None) -> Tensor:
    """The texts [T, B, M, C] with which T Euler steps with guidance `cfg` follow a trajectory [T + 1, B, C, h, w] at T + 1 falling sigmas.

    start [B, M, C]: the negative prompt to begin with; each step goes on from the last one's. rate: of Adam, in the first step. report(tries): after
    every try, counted over the run.
    """
    x, text, texts = trajectory[0], start.to(torch.promote_types(start.dtype, torch.float32)), []
    for step, (here, there) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        level = torch.full((len(x),), here, dtype=x.dtype, device=x.device)
        with torch.no_grad():
            said = positive(x, level)

        def go(text: Tensor, x: Tensor = x, said: Tensor = said, level: Tensor = level, here: float = here, there: float = there) -> Tensor:
            denied = negative(x, level, text)
            denoised = denied + cfg * (said - denied)
            return x + (x - denoised) / here * (there - here)

        def miss(text: Tensor, go=go, target: Tensor = trajectory[step + 1], there: float = there) -> Tensor:
            """[B], in the units that the network sees."""
            return (go(text) - target).square().mean((1, 2, 3)) / (1 + there**2)

        enough = CLOSE + CLOSE_MORE * step
        tell = lambda tries, step=step: report(step * inner_steps + tries) if report else None
        text = adam(miss, text, rate * max(1 - step / FALL, LEAST), enough, inner_steps, tell)
        texts.append(text)
        with torch.no_grad():
            x = go(text)
    return torch.stack(texts)


def adam(miss: Callable[[Tensor], Tensor], text: Tensor, rate: float, enough: float, tries: int, report: Callable[[int], None]) -> Tensor:
    """text [B, M, C] that misses less, [B]: Adam (arXiv 1412.6980) with its usual numbers; a picture that misses less than `enough` is left as it then is."""
    mean, square, open_ = torch.zeros_like(text), torch.zeros_like(text), torch.ones(len(text), 1, 1, dtype=torch.bool, device=text.device)
    for i in range(1, tries + 1):
        with torch.enable_grad():
            asked = text.detach().requires_grad_()
            missed = miss(asked)
            slope = torch.autograd.grad(missed.sum() * SCALE, asked)[0] / SCALE
        mean, square = mean.lerp(slope, 0.1), square.lerp(slope.square(), 0.001)
        step = rate * (mean / (1 - 0.9**i)) / ((square / (1 - 0.999**i)).sqrt() + 1e-8)
        text = torch.where(open_, text - step, text)
        open_ = open_ & (missed.detach() >= enough).view(-1, 1, 1)
        report(i)
        if not open_.any():
            break
    return text


def check(program: Program, bank: Bank, positive: list, negative: list, weights: str) -> None:
    """What null-text can be made with."""
    if not isinstance(bank, Bank):
        raise ConcordError(f"a bank of an inversion was expected, got a {type(bank).__name__}; connect the bank of DDIM Inversion (Concord)")
    if bank.weights and weights and bank.weights != weights:
        raise ConcordError("the inversion was made with other weights than this model has (another checkpoint, or other LoRAs); "
                           "invert the picture with this model")
    check_program(program)
    if other := next((e for e in program.edits if isinstance(e, OwnNegative) or (isinstance(e, AttentionEdit) and e.order == Order.PROBES)), None):
        raise ConcordError(f"{other.technique} is on the model already; put it after null-text")
    for name, said in (("positive", positive), ("negative", negative)):
        if len(said) != 1 or any(key in said[0][1] for key in ("area", "mask")):
            raise ConcordError(f"null-text needs one {name} prompt for the whole picture, got {len(said)}, or one with an area or a mask; "
                               "connect a text encode node")
