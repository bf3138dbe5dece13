"""A training aid: where a picture shows one of two objects, its cross-attention should look at that object's own words.

The noise-prediction loss leaves a local optimum in which every cell looks at all colours of the prompt at once. Attention maps supervised with the known
places of the objects (as in TokenCompose, Wang et al. 2023, arXiv:2312.03626) lead out of it, and give maps that can be read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .words import WORDS
from .world import CENTRES, Scene

ROW = {word: row for row, word in enumerate(WORDS, start=2)}  # of the embedding table


class Watched:
    """A diffusers attention processor that keeps its probabilities [B, H, N, M] in `seen`."""

    def __init__(self, seen: list[Tensor]) -> None:
        self.seen = seen

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        query, key, value = (attn.head_to_batch_dim(t) for t in (attn.to_q(hidden_states), attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)))
        looks = attn.get_attention_scores(query, key)
        self.seen.append(looks.unflatten(0, (-1, attn.heads)))
        return attn.to_out[0](attn.batch_to_head_dim(torch.bmm(looks, value)))


def watch(unet: Any) -> list[Tensor]:
    """From here on each forward adds the probabilities of every cross-attention to the list that is given back."""
    seen: list[Tensor] = []
    for name in unet.attn_processors:
        if name.endswith("attn2.processor"):
            unet.get_submodule(name.removesuffix(".processor")).set_processor(Watched(seen))
    return seen


def phrases(tokens: Tensor, scenes: list[Scene]) -> Tensor:
    """Which words are whose [B, 2, M], 0 or 1; none where there are not two objects, or the caption does not say where either is."""
    out = torch.zeros(len(scenes), 2, tokens.shape[1])
    places = {ROW[place] for place in CENTRES}
    for marks, row, scene in zip(out, tokens.tolist(), scenes, strict=True):
        if len(scene.things) == 2 and ROW["and"] in row and places.intersection(row):
            middle, end = row.index(ROW["and"]), row.index(1)
            if ROW["background"] in row:  # "on a red background" is nobody's
                end = max(n for n in range(end) if row[n] == ROW["on"])
            marks[0, 1:middle], marks[1, middle + 1 : end] = 1, 1
    return out


def places(scenes: list[Scene], side: int) -> Tensor:
    """Which cells of a side x side grid show which of two objects [B, 2, N], 0 or 1."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    out = np.zeros((len(scenes), 2, side * side), np.float32)
    for shown, scene in zip(out, scenes, strict=True):
        for cells, thing in zip(shown, scene.things if len(scene.things) == 2 else (), strict=False):
            cells[:] = (np.hypot(x - thing.x, y - thing.y) < thing.radius + 0.25 / side).ravel()
    return torch.from_numpy(out)


def astray(seen: list[Tensor], tokens: Tensor, scenes: list[Scene]) -> Tensor:
    """How much the cells of each object look at the other's words: mean -log share of its own, over cells, heads and layers. Empties `seen`."""
    whose = phrases(tokens, scenes).to(seen[0].device)
    total, shown = seen[0].new_zeros(()), {}
    for looks in seen:
        side = round(looks.shape[2] ** 0.5)
        if side not in shown:
            shown[side] = places(scenes, side).to(looks.device) * whose.amax(2, keepdim=True)
        mass = torch.einsum("bhnm,bpm->bhpn", looks.float(), whose) + 1e-4
        wrong = -(mass / mass.sum(2, keepdim=True)).log().mean(1)  # [B, 2, N]
        total = total + (wrong * shown[side]).sum() / shown[side].sum().clamp(min=1)
    layers = len(seen)
    seen.clear()
    return total / layers
