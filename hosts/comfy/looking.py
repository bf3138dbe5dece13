"""Looks in ComfyUI: the positive prediction with gradients, from the host's own weights as they are, in the midst of a run."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy
from typing import Any

import comfy.model_management
import comfy.samplers
import torch
from torch import Tensor
from torch.autograd.graph import allow_mutation_on_saved_tensors

from ...processors.gradients import ThroughFrozen, no_room
from .null_text import differentiable


class Positive:
    """The guider, as what stands before it in a sampler sees it; it says what the positive says alone."""

    def __init__(self, guider: Any) -> None:
        self._guider = guider

    def __call__(self, x: Tensor, sigma: Tensor, model_options: dict | None = None, seed: Any = None) -> Tensor:
        return comfy.samplers.calc_cond_batch(self._guider.inner_model, [said(self._guider)], x, sigma, model_options or {})[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guider, name)


def said(guider: Any) -> list[dict]:
    """The conditions of the positive, in the very list that the guider keeps."""
    return guider.conds["positive"] if "positive" in guider.conds else next(iter(guider.conds.values()))


def look_of(model: Any, extra: dict[str, Any]) -> Callable[[], Any]:
    """A run's `look`, outside of inference mode, in which nodes run and nothing has a gradient. model: as a sampler of the host is given it, with what
    it is called with; masks of what is drawn act as ever."""

    def evaluate(x: Tensor, sigma: float) -> None:
        seen = copy(model)
        seen.inner_model = Positive(model.inner_model)
        with ThroughFrozen():
            seen(x, x.new_full((len(x),), sigma), **{**extra, "model_options": differentiable(extra.get("model_options", {}))})

    @contextmanager
    def look() -> Iterator[Callable[[Tensor, float], None]]:
        comfy.model_management.throw_exception_if_processing_interrupted()
        try:
            controlled = any(cond.get("control") is not None for cond in said(model.inner_model))  # the host adds that in place
            with torch.inference_mode(False), torch.enable_grad(), allow_mutation_on_saved_tensors() if controlled else nullcontext():
                yield evaluate
        except comfy.model_management.OOM_EXCEPTION as error:
            raise no_room("free some, take a smaller picture or batch, or a mode of RegionGuidance that needs none") from error

    return look
