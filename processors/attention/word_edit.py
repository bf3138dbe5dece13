"""Edits of the targets of a group, and of single words of their prompts: whom they act on, and when."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..edit import AttentionEdit
from ..errors import ConcordError
from ..rows import Row, Site
from ..run import Step
from .word_windows import Window


@dataclass(frozen=True, eq=False, kw_only=True)
class TargetEdit(AttentionEdit):
    """What all parts of the technique share: some targets take from the source of their group, where the prompt is told."""

    technique = "PromptToPrompt"
    taker = "target"
    branches: frozenset[str] | None = frozenset({"positive"})
    samples: frozenset[int] | None = None  # of the batch; None: all targets

    def takes(self, row: Row) -> bool:
        return super().takes(row) and (self.samples is None or row.sample in self.samples)


@dataclass(frozen=True, eq=False, kw_only=True)
class WordEdit(TargetEdit):
    """A part that acts on words, each in a window of its own, in cross-attention; only where the conditioning is the one whose words it knows."""

    kind = "cross"
    windows: tuple[Window, ...] = ()  # of each token of the target
    words: str | None = None  # the mark of that conditioning; None: any

    def takes(self, row: Row) -> bool:
        return super().takes(row) and (self.words is None or row.words in (None, self.words))

    @cached_property
    def spans(self) -> tuple[Window, ...]:
        """The windows that are there."""
        return tuple(dict.fromkeys(self.windows))

    def neutral(self) -> bool:
        return not any(start < end or end >= 1 for start, end in self.spans)

    def active(self, step: Step) -> bool:
        return super().active(step) and any(self.open(step))

    def open(self, step: Step) -> tuple[bool, ...]:
        """Which of the windows are open in this step."""
        return tuple(start <= step.progress and (step.progress < end or end >= 1) for start, end in self.spans)

    def alpha(self, open: tuple[bool, ...]) -> Tensor:
        """1 for each token whose window is open, else 0 [M]."""
        return torch.tensor([float(open[self.spans.index(window)]) for window in self.windows], dtype=torch.float64)

    def check_length(self, length: int, site: Site) -> None:
        if length != len(self.windows):
            raise ConcordError(f"{self.technique} knows {len(self.windows)} tokens of the prompts, but {length} reach {site}; "
                               "connect the node's positive output without joining other text to it")
