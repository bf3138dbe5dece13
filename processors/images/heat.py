"""Heat: numbers as colours, from black over purple and orange to pale yellow; brighter is more, also in print and for colour-blind eyes."""
from __future__ import annotations

import torch
from torch import Tensor

COLOURS = ((0.0, 0.0, 0.02), (0.25, 0.04, 0.42), (0.58, 0.15, 0.40), (0.87, 0.32, 0.22), (0.99, 0.65, 0.04), (0.99, 1.0, 0.64))  # evenly from 0 to 1


def coloured(heat: Tensor) -> Tensor:
    """[..., y, x] 0..1 -> [..., y, x, 3] 0..1"""
    knots = torch.tensor(COLOURS, dtype=heat.dtype, device=heat.device)
    at = heat.clamp(0, 1) * (len(knots) - 1)
    below = at.floor().long().clamp(max=len(knots) - 2)
    return torch.lerp(knots[below], knots[below + 1], (at - below)[..., None])


def overlaid(heat: Tensor, image: Tensor, opacity: float) -> Tensor:
    """The heat's colours over a picture: heat [..., y, x] 0..1 over image [..., y, x, 3] 0..1; opacity 0 is the picture alone, 1 the heat alone."""
    return image * (1 - opacity) + coloured(heat) * opacity
