"""Counters, not clocks: what a run asks of torch, by kind; and projections that count who asks them."""
from __future__ import annotations

from collections import Counter as Counts
from copy import copy
from typing import Any

from concord.processors.schedule import Progress
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

KINDS = {
    "linear": ("addmm", "mm", "linear"),
    "resize": ("upsample_bilinear2d", "upsample_nearest2d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "_upsample_bilinear2d_aa"),
    "sync": ("item", "_local_scalar_dense", "nonzero", "is_nonzero"),
}  # fmt: skip                      of composed operations only the outermost is seen in inference mode, else only their parts
NAMES = {name: kind for kind, names in KINDS.items() for name in names}


class Counter(TorchDispatchMode):
    """Inside the `with`, counts operations in `counts`."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counts[str] = Counts()

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.counts["all"] += 1
        if kind := NAMES.get(function.overloadpacket.__name__):
            self.counts[kind] += 1
        return function(*args, **(kwargs or {}))


def answering_percents(model: Any) -> Any:
    """A clone whose answers about percents wait for nothing: they are asked between steps, a few each, and are not what is counted."""
    sampling = copy(model.get_model_object("model_sampling"))
    edge, knots = Progress.EDGE, Progress.STEPS
    known = {percent: sampling.percent_to_sigma(percent) for percent in (min(max(i / knots, edge), 1 - edge) for i in range(knots + 1))}
    asked = sampling.percent_to_sigma
    sampling.percent_to_sigma = lambda percent: known[percent] if percent in known else asked(percent)
    made = model.clone()
    made.add_object_patch("model_sampling", sampling)
    return made


class Numbered:
    """Projections (see `DecoupledTokens`) that remember which numbers were asked for. widths: of each cross-attention, in published order."""

    def __init__(self, widths: list[int]) -> None:
        self.widths, self.count, self.id, self.numbers = widths, len(widths), f"numbered {len(widths)}", []

    def project(self, number: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        self.numbers.append(number)
        shape = (*tokens.shape[:2], self.widths[number])
        return tokens.new_zeros(shape), tokens.new_full(shape, 0.01 * (number + 1))
