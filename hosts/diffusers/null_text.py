"""Null-text optimisation where diffusers is the host."""
from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...processors.conditions.null_text import RATE, check, optimise
from ...processors.conditions.own_negative import NegativeTexts
from ...processors.gradients import ThroughFrozen, no_room
from ...processors.latents.bank import Bank
from .conditions import evaluate
from .entries import Conditioning
from .graph.context import current
from .model import Model
from .sample import guided
from .weights import weights_of


def null_text(model: Model, bank: Bank, positive: Conditioning, negative: Conditioning, cfg: float, inner_steps: int = 10,
              rate: float = RATE) -> NegativeTexts:
    """The negative prompt of every step with which a run with guidance `cfg` follows the bank."""
    check(model.program, bank, positive, negative, weights_of(model.network))
    latents = bank.latents.to(model.device)
    with torch.no_grad():
        branches = {"positive": positive, "negative": negative}
        asked = guided(model, cfg, branches, latents.shape[1], tuple(latents.shape[-2:]), torch.tensor(bank.sigmas))
    said, (denied, *_) = {"positive": asked.conds["positive"]}, asked.conds["negative"]

    def say_no(x: Tensor, sigma: Tensor, text: Tensor) -> Tensor:
        with ThroughFrozen():
            return evaluate(model, {"negative": (replace(denied, context=text.to(model.dtype)),)}, x, sigma, asked.run)["negative"]

    try:
        texts = optimise(lambda x, sigma: evaluate(model, said, x, sigma, asked.run)["positive"], say_no, latents, bank.sigmas, denied.context.float(), cfg,
                         inner_steps, rate, lambda done: current().step(done, bank.steps * inner_steps, "null-text"))
    except torch.OutOfMemoryError as error:
        raise no_room("take a smaller picture, or choose the method that needs none: the source's prompt as negative") from error
    return NegativeTexts(texts.cpu(), bank.sigmas[:-1], cfg, weights=weights_of(model.network))
