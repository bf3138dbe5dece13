"""Null-text optimisation in ComfyUI: a run that asks for the negative prediction with gradients, from the host's own weights as they are."""
from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.samplers
import comfy.utils
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...processors.conditions.null_text import RATE, check, optimise
from ...processors.conditions.own_negative import NegativeTexts
from ...processors.edit import Program
from ...processors.gradients import ThroughFrozen, no_room
from ...processors.latents.bank import Bank
from .inversion import Seen, as_latent, run
from .session import PROGRAM
from .support import check_supported
from .weights import weights_of


def null_text(model: Any, bank: Bank, positive: list, negative: list, cfg: float, inner_steps: int = 10,
              rate: float = RATE) -> NegativeTexts:
    """The negative prompt of every step with which a run with guidance `cfg` follows the bank."""
    check_supported(model)
    check(model.model_options.get("transformer_options", {}).get(PROGRAM, Program()), bank, positive, negative, weights_of(model))
    bar, found = comfy.utils.ProgressBar(bank.steps * inner_steps), []

    def tell(done: int) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(done)

    def walk(seen: Seen, x: Tensor) -> Tensor:
        with torch.inference_mode(False):  # nodes run in inference mode, where nothing has a gradient
            asked = Asked(seen)
            latents = bank.latents.clone().to(x.device)
            found.append(optimise(asked.positive, asked.negative, latents, bank.sigmas, asked.start(len(x)), cfg, inner_steps, rate, tell).cpu())
        return x

    try:
        run(model, walk, as_latent(model, bank.latents[0])["samples"], torch.tensor(bank.sigmas), positive, negative, cfg)
    except comfy.model_management.OOM_EXCEPTION as error:
        raise no_room("free some, take a smaller picture, or choose the method that needs none: the source's prompt as negative") from error
    return NegativeTexts(found[0], bank.sigmas[:-1], cfg, weights=weights_of(model))


class Asked:
    """The two predictions of a run of the host, each by itself."""

    def __init__(self, seen: Seen) -> None:
        guider, options = seen.model.inner_model, seen.extra["model_options"]
        self.model, self.conds, self.options = guider.inner_model, guider.conds, options
        self.plain = differentiable(options)

    def start(self, samples: int) -> Tensor:
        """[B, M, C]: what the negative says at first."""
        text = self.conds["negative"][0]["model_conds"]["c_crossattn"].cond
        return comfy.utils.repeat_to_batch_size(text.clone().float().to(self.model.current_patcher.load_device), samples)

    def positive(self, x: Tensor, sigma: Tensor) -> Tensor:
        with torch.inference_mode():
            said = comfy.samplers.calc_cond_batch(self.model, [self.conds["positive"], None], x, sigma, self.options)[0]
        return said.clone()

    def negative(self, x: Tensor, sigma: Tensor, text: Tensor) -> Tensor:
        cond = self.conds["negative"][0]
        cond = {**cond, "model_conds": {**cond["model_conds"], "c_crossattn": cond["model_conds"]["c_crossattn"]._copy_with(text)}}
        with ThroughFrozen():
            return comfy.samplers.calc_cond_batch(self.model, [None, [cond]], x, sigma, self.plain)[1]


def differentiable(options: dict) -> dict:
    """A run's model options with an attention that has a way back."""
    return {**options, "transformer_options": {**options.get("transformer_options", {}), "optimized_attention_override": with_gradient}}


def with_gradient(func: Any, q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None, attn_precision: Any = None,
                  skip_reshape: bool = False, skip_output_reshape: bool = False, **more: Any) -> Tensor:
    """In the place of the host's kernel, which may have no way back."""
    if not skip_reshape:
        q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    if mask is not None and mask.ndim == 3:
        mask = mask[:, None]
    out = scaled_dot_product_attention(q, k, v, mask)
    return out if skip_output_reshape else out.transpose(1, 2).flatten(2)
