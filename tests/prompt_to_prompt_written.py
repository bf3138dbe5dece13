"""Prompt-to-Prompt as its formulas stand in the paper: attention processors that write out every map, for batches of two groups
(negative: source, target, source, target; then the same of the positive)."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from concord.hosts.diffusers.unet import transformer_blocks
from concord.processors.attention.word_alignment import refinement, replacement
from concord.processors.words import Prompt, positions
from torch import Tensor

STEPS = 4  # steps 0 and 1 are in the window of the words and of the layout, step 0 in that of "noon"


@dataclass
class Maps:
    """The new maps of a target [H, N, M], of those of its source and its own, in one attention."""

    source: Prompt
    target: Prompt
    mode: str
    cross: bool
    coarse: bool
    calls: int = field(default=0)

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        split = lambda t: t.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        q, k, v = split(attn.to_q(hidden_states)), split(attn.to_k(context)), split(attn.to_v(context))
        maps = (q @ k.mT * attn.scale).softmax(-1)
        for row in (5, 7):
            maps[row] = self.words(maps[row - 1], maps[row]) if self.cross else self.layout(maps[row - 1], maps[row])
        self.calls += 1
        return attn.to_out[1](attn.to_out[0]((maps @ v).transpose(1, 2).flatten(2)))

    def layout(self, theirs: Tensor, mine: Tensor) -> Tensor:
        return theirs if self.coarse and self.calls < 2 else mine

    def words(self, theirs: Tensor, mine: Tensor) -> Tensor:
        if self.mode == "replace":
            new = theirs @ replacement(self.source, self.target)
        else:
            mapper, there = refinement(self.source, self.target)
            new = theirs[..., mapper] * there + mine * (1 - there)
        new[..., list(positions(self.target, "hill"))] *= 2
        alpha = torch.full((len(self.target.ids),), float(self.calls < 2))
        alpha[list(positions(self.target, "noon"))] = float(self.calls < 1)
        return new * alpha + mine * (1 - alpha)


def write_out(network: Any, source: Prompt, target: Prompt, mode: str) -> None:
    """Puts the written-out maps into every attention of the network."""
    for _, level, block in transformer_blocks(network):
        block.attn1.set_processor(Maps(source, target, mode, False, level >= 1))
        block.attn2.set_processor(Maps(source, target, mode, True, level >= 1))
