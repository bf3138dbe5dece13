"""The CLIP handle: prompts -> conditioning, as ComfyUI encodes them, for SD 1.x (tower L), SDXL (towers L and G) and the practice model."""
from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ....model_loaders.clip_tower import TextTower
from .bpe import END
from .chunks import Chunk, Token, chunks, empty_chunk
from .embeddings import EmbeddingFolders

Tokens = dict[str, list[Chunk]]  # tower name -> chunks of 77 (token, weight)


@dataclass(frozen=True, eq=False)
class Tower:
    """One text network and what its family takes from it."""

    name: str  # "l" | "g"
    network: TextTower  # eval mode, never changed
    pad: int = END
    layer: int | None = None  # whose output is used, counted from the end; None: the last, normed
    norm: bool = True  # the final layer norm is applied to an earlier layer too
    projected: bool = False  # pooled goes through the text projection

    def encode(self, prompt: list[Chunk], skip: int | None = None) -> tuple[Tensor, Tensor]:
        """-> [1, 77 n, C], pooled [1, C] of the first chunk. A weight moves a token away from what an empty prompt has in its place."""
        weights = torch.tensor([[weight for _, weight in chunk] for chunk in prompt])[..., None]  # [n, 77, 1]
        rows = [[token for token, _ in chunk] for chunk in prompt]
        weighted = bool((weights != 1).any())
        with torch.no_grad():
            hidden, pooled = self._run([*rows, empty_chunk(self.pad)] if weighted else rows, skip)
        if weighted:
            hidden, empty = hidden[:-1], hidden[-1:]
            hidden = torch.where(weights == 1, hidden, (hidden - empty) * weights + empty)
        return hidden.flatten(0, 1)[None], pooled

    def _run(self, rows: list[list[Token]], skip: int | None) -> tuple[Tensor, Tensor]:
        layer = self.layer if skip is None or -skip > self.network.config.layers else skip
        rows = [self._fitting(row) for row in rows]
        last, hidden = self.network(torch.stack([self._embed(row) for row in rows]), layer)
        if layer is not None and self.norm:
            hidden = self.network.text_model.final_layer_norm(hidden)
        pooled = last[:1, next(place for place, token in enumerate(rows[0]) if isinstance(token, int) and token == END)]
        if self.projected:
            pooled = self.network.text_projection(pooled)
        return hidden.cpu(), pooled.cpu()

    def _fitting(self, row: list[Token]) -> list[Token]:
        """Without textual-inversion vectors of another tower's width, padded for, as in ComfyUI."""
        width = self.network.config.width
        fitting = [token for token in row if isinstance(token, int) or len(token) == width]
        if left_out := len(row) - len(fitting):
            logging.getLogger(__name__).warning("text tower %s is %d wide: %d vectors of other width left out", self.name, width, left_out)
        return fitting + [self.pad] * left_out

    def _embed(self, row: list[Token]) -> Tensor:
        """Tokens and vectors -> [77, C]"""
        device = self.network.text_model.final_layer_norm.weight.device
        embedded = self.network.embed(torch.tensor([token if isinstance(token, int) else 0 for token in row], device=device))
        for place, token in enumerate(row):
            if not isinstance(token, int):
                embedded[place] = token
        return embedded


@dataclass(frozen=True, eq=False)
class Clip:
    """`tokenize` then `encode`; `skip` -1..-24 is CLIPSetLastLayer's (None: the family's own layer)."""

    towers: tuple[Tower, ...]  # in the order in which their channels are joined
    skip: int | None = None
    embeddings: EmbeddingFolders = EmbeddingFolders()

    def tokenize(self, text: str) -> Tokens:
        return {t.name: chunks(text, t.pad, partial(self.embeddings.find, key=f"clip_{t.name}", width=t.network.config.width)) for t in self.towers}

    def encode(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """-> [1, 77 n, C] with the towers' channels joined, pooled [1, P] of the last tower; both on the CPU, float32."""
        hidden, pooled = zip(*(tower.encode(tokens[tower.name], self.skip) for tower in self.towers), strict=True)
        shortest = min(h.shape[1] for h in hidden)
        return torch.cat([h[:, :shortest] for h in hidden], dim=-1), pooled[-1]

    def encode_from_tokens_scheduled(self, tokens: Tokens, add_dict: dict[str, Any] | None = None) -> list:
        """ComfyUI's name for: -> CONDITIONING with one entry."""
        cond, pooled = self.encode(tokens)
        return [[cond, {"pooled_output": pooled, **(add_dict or {})}]]

    def stopped_at(self, layer: int) -> Clip:
        return replace(self, skip=layer)

