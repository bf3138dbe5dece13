"""Group norms that see two images: their statistics are those of an image and of the reference together.

Hertz et al., arXiv 2312.02133, the authors' code: every group norm sees each image with the reference joined to it along its height, and keeps the
image's half. The mean and variance of each group of channels, of both, say the same; so nothing is joined, and what a reference lends is tiny.
"""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ..edit import Edit, Stage
from ..errors import ConcordError
from ..lending import lent, record
from ..rows import Row
from ..run import Step
from ..statistics import wide


@dataclass(frozen=True, eq=False, kw_only=True)
class ShareGroupNorm(Edit):
    """Every image but the reference is normalised with the statistics of both."""

    technique = "StyleAligned"
    stage = Stage.FEATURES
    owns = frozenset({"statistics of group norms"})
    giver = "reference"

    def takes(self, row: Row) -> bool:
        return row.lane != self.giver and super().takes(row)


def norms_shared(step: Step) -> AbstractContextManager:
    """For hosts, around the call of the network: inside the `with` its group norms do what the program says. Costs nothing where it says nothing."""
    edits = tuple(edit for edit in step.run.program.at(Stage.FEATURES, step) if isinstance(edit, ShareGroupNorm))
    return SharedNorms(step, edits) if edits else nullcontext()


class SharedNorms(TorchFunctionMode):
    """There is no hook at norms in any host: this one sees every call of torch's functions in its `with`, and changes nothing but group norms."""

    def __init__(self, step: Step, edits: Sequence[ShareGroupNorm]) -> None:
        super().__init__()
        self.step, self.edits, self.number = step, edits, 0

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        return self.normalised(out, *args, **(kwargs or {})) if func in (functional.group_norm, torch.group_norm) else out

    def normalised(self, out: Tensor, x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, *_: Any) -> Tensor:
        """The norm's output [R, C, ...], again for the rows that share."""
        if len(x) != len(self.step.rows):
            raise ConcordError(f"a group norm sees {len(x)} rows, the call has {len(self.step.rows)}; something changed the batch inside the network")
        self.number += 1
        variance, mean = torch.var_mean(wide(x).reshape(len(x), groups, -1), -1, correction=0, keepdim=True)
        for edit in self.edits:
            takers = self.step.where(edit)
            key = "group norm", edit.id, self.number
            if takers:
                at = self.step.run.index[takers, x.device]
                other, spread = lent((mean, variance), self.step.givers(edit.giver, takers), self.step, key)
                both = (mean[at] + other) / 2
                scale = ((variance[at] + spread) / 2 + ((mean[at] - other) / 2).square() + eps).rsqrt()
                out = out.clone()
                out[at] = apply(x[at], both, scale, weight, bias)
            else:
                record((mean, variance), self.step, key)
        return out


def apply(x: Tensor, mean: Tensor, scale: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """(x - mean) * scale * weight + bias, as one factor and one summand for each channel."""
    channels = (len(x), x.shape[1], *[1] * (x.ndim - 2))
    spread = lambda t: t.expand(len(x), -1, x.shape[1] // t.shape[1]).reshape(channels)
    each = lambda t: t.to(scale).reshape(1, -1, *[1] * (x.ndim - 2))
    factor = spread(scale) if weight is None else spread(scale) * each(weight)
    summand = -spread(mean) * factor
    return torch.addcmul(summand if bias is None else summand + each(bias), x.to(scale), factor).to(x.dtype)
