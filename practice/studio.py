"""Where pictures are drawn to be measured: the practice model in the headless host, and what its pictures look like in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..hosts.diffusers import host
from ..hosts.diffusers.sample import sample
from .judge import Judge, background, find

CELLS = 16  # the model's size in latent cells


@dataclass(frozen=True)
class Studio:
    """Draws pictures with the practice model in the headless host. steps, guidance: as its model card measures."""

    steps: int = 20
    guidance: float = 4.0
    parts: tuple[Any, Any, Any] = field(default_factory=host.practice_model)

    @property
    def model(self) -> Any:
        return self.parts[0]

    def encode(self, text: str) -> list:
        clip = self.parts[1]
        return clip.encode_from_tokens_scheduled(clip.tokenize(text))

    @cached_property
    def empty(self) -> list:
        return self.encode("")

    def draw(self, model: Any, positive: list, negative: list | None = None, seed: int = 1, samples: int = 1, size: tuple[int, int] = (CELLS, CELLS),
             latent: dict | None = None) -> Tensor:  # fmt: skip
        """Pictures [n, 3, y, x] 0..1, of an empty latent (`samples`; size: its cells h, w), or of `latent`."""
        latent = latent or {"samples": torch.zeros(samples, 4, *size)}
        out = sample(model, seed, self.steps, self.guidance, "dpmpp_2m", "normal", positive, negative or self.empty, latent)
        return self.parts[2].decode(out["samples"]).movedim(-1, 1)


def look(image: Tensor, judge: Judge) -> tuple[str, str, str]:
    """Colour, texture and background in words; "" where no object stands out."""
    seen = find(image)
    _, texture, colour = judge.names([seen.cut])[0] if seen else ("", "", "")
    return colour, texture, background(image)[0]
