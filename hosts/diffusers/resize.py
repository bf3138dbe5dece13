"""Sizes and batches made equal, as ComfyUI makes them equal."""
from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...processors.errors import ConcordError

METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "bislerp")


def resize(image: Tensor, width: int, height: int, method: str = "bilinear", crop: str = "disabled") -> Tensor:
    """[B, C, y, x] -> [B, C, height, width]; crop "center" keeps the aspect and cuts what stands out."""
    if method not in METHODS:
        raise ConcordError(f"resizing by {method!r} is not available here; use one of {', '.join(METHODS)}")
    if crop == "center":
        image = center(image, width / height)
    if method == "bislerp":
        return _bislerp(_bislerp(image, 3, width), 2, height)
    return interpolate(image, size=(height, width), mode=method)


def to_batch(tensor: Tensor, batch: int) -> Tensor:
    """[b, ...] -> [batch, ...]: the first ones, or all of them over and over."""
    if tensor.shape[0] < batch:
        tensor = tensor.repeat(math.ceil(batch / tensor.shape[0]), *[1] * (tensor.ndim - 1))
    return tensor[:batch]


def center(image: Tensor, aspect: float) -> Tensor:
    height, width = image.shape[-2:]
    own = width / height
    x = round((width - width * (aspect / own)) / 2) if own > aspect else 0
    y = round((height - height * (own / aspect)) / 2) if own < aspect else 0
    return image[..., y : height - y, x : width - x]


def _bislerp(latent: Tensor, dim: int, size: int) -> Tensor:
    """Along one dimension: between two cells, their directions turn at even speed while their lengths blend linearly."""
    low, high, ratio = _neighbours(latent.shape[dim], size, latent.device)
    a, b = latent.float().index_select(dim, low), latent.float().index_select(dim, high)
    ratio = ratio.view([-1 if d == dim else 1 for d in range(4)])
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    unit_a, unit_b = a / length_a.masked_fill(length_a == 0, 1), b / length_b.masked_fill(length_b == 0, 1)
    cosine = (unit_a * unit_b).sum(1, keepdim=True)
    angle = torch.acos(cosine.clamp(-1, 1))
    turned = (torch.sin((1 - ratio) * angle) * unit_a + torch.sin(ratio * angle) * unit_b) / torch.sin(angle)
    out = turned * (length_a * (1 - ratio) + length_b * ratio)
    out = torch.where(cosine > 1 - 1e-5, a, out)  # nearly parallel: the angle is lost in rounding
    return torch.where(cosine < 1e-5 - 1, a * (1 - ratio) + b * ratio, out).to(latent.dtype)  # opposite: no direction to turn in


def _neighbours(old: int, new: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """-> for each new cell the two old ones beside it, and how far it is from the first (0..1)."""
    line = lambda values: interpolate(values.view(1, 1, 1, -1), size=(1, new), mode="bilinear").flatten()
    cells = torch.arange(old, dtype=torch.float32, device=device)
    at = line(cells)
    return at.long(), line((cells + 1).clamp(max=old - 1)).long(), at - at.floor()
