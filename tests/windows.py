"""What tests of windows share."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from concord.processors.rows import View
from concord.processors.strips import Said, Strip
from torch import Tensor


def by_window(predict: Callable[[View, Tensor], Sequence[Tensor]]) -> Callable[[Strip, Tensor], list[Said]]:
    """predict(window, what it sees) -> one tensor per branch, for all windows of a strip."""

    def on_strip(strip: Strip, seen: Tensor) -> list[Said]:
        each = [predict(slot.view, strip.place(number).crop(seen)) for number, slot in enumerate(strip.slots)]
        return [(torch.cat(branch, -2), None) for branch in zip(*each, strict=True)]

    return on_strip
