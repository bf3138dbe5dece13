"""A training aid: read off, cell by cell, what a scene shows where, from the text alone and from the UNet's features.

The noise-prediction loss tells a network only faintly which of two objects has which colour: at the noise where that is decided, the
picture hardly shows. Asked directly, text tower and cross-attentions learn it in a fraction of the pictures. The readers are thrown away after training.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .world import COLOURS, SHAPES, TEXTURES, Scene

CELLS = 8  # a side
WIDTHS = (len(COLOURS), len(SHAPES) + 1, len(TEXTURES) + 1)  # of a cell: its colour; its object's shape and texture, or that it is background
NOTHING = -100  # cross_entropy passes over it


def cells(scenes: list[Scene]) -> Tensor:
    """What each cell shows [B, 3, 8, 8]: colour, shape and texture; NOTHING where an object's edge runs and in wide scenes."""
    y, x = (np.mgrid[:CELLS, :CELLS] + 0.5) / CELLS
    out = np.full((len(scenes), 3, CELLS, CELLS), NOTHING)
    for target, scene in zip(out, scenes, strict=True):
        if scene.wide is not None:
            continue
        target[:] = np.array([COLOURS.index(scene.background), len(SHAPES), len(TEXTURES)])[:, None, None]
        for thing in scene.things:
            far = np.hypot(x - thing.x, y - thing.y) / thing.radius
            target[:, far < 1.3] = NOTHING
            target[:, far < 0.8] = np.array([COLOURS.index(thing.colour), SHAPES.index(thing.shape), TEXTURES.index(thing.texture)])[:, None]
    return torch.from_numpy(out)


class LayoutReaders(nn.Module):
    """Two readers with the same answer: one looks at the text states from every cell, one at the UNet's features in the cell."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(1, CELLS * CELLS, width) * 0.5)
        self.look = nn.MultiheadAttention(width, 4, batch_first=True)
        self.told, self.drawn = (nn.Sequential(nn.Linear(width, 256), nn.GELU(), nn.Linear(256, sum(WIDTHS))) for _ in range(2))

    def forward(self, told: Tensor, features: Tensor, target: Tensor) -> Tensor:
        """Mean cross-entropy of both; told [B, tokens, C], features [B, C, h, w], target as `cells` gives it."""
        places = self.places.expand(len(told), -1, -1)
        from_text = self.told(self.look(places, told, told, need_weights=False)[0])
        from_features = self.drawn(F.adaptive_avg_pool2d(features, CELLS).flatten(2).transpose(1, 2))
        return self._wrong(from_text, target) + self._wrong(from_features, target)

    @staticmethod
    def _wrong(logits: Tensor, target: Tensor) -> Tensor:
        parts = zip(logits.float().split(WIDTHS, -1), target.flatten(2).unbind(1), strict=True)
        return sum((F.cross_entropy(one.flatten(0, 1), right.flatten()) for one, right in parts), torch.zeros((), device=logits.device))
