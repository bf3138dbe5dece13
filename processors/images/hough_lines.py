"""Straight line segments by voting (Duda, Hart, "Use of the Hough transformation to detect lines and curves in pictures", 1972).

Each edge pixel votes for the lines through it whose direction agrees with its own slope. The lines with the most votes are walked along; pixels
belong to the strongest line through them, and stretches that are long and well supported become segments, fitted to their pixels.
"""
from __future__ import annotations

from dataclasses import dataclass
from math import ceil, hypot, pi

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d, max_pool2d, pad

from .canny import canny
from .gradients import blurred, sobel, thickened

ANGLES = 360  # half a degree each
SPREAD, APART = 10, 4  # half degrees: by how much a pixel's own direction may be wrong; how close lines may lie
SIDE = 2  # pixels beside a line that count as on it
CANDIDATES = 1024  # lines with the most votes that are looked at


@dataclass(frozen=True)
class LineSettings:
    """contrast: how steep edges must be, in the units of canny's upper threshold; length, gap: pixels; score: share 0..1 of a segment that edges support."""

    contrast: float = 80.0
    length: int = 30
    gap: int = 4
    score: float = 0.7


def hough_lines(image: Tensor, settings: LineSettings | None = None, width: int = 1) -> Tensor:
    """[B, 1|3, y, x] 0..1 -> [B, 1, y, x]: white segments, `width` pixels wide, on black."""
    settings = settings or LineSettings()
    drawn = [draw(segments(*measured, settings), measured[0]) for measured in zip(*edges_and_angles(image, settings.contrast), strict=True)]
    return thickened(torch.stack(drawn)[:, None].to(image.dtype), width)


def edges_and_angles(image: Tensor, contrast: float) -> tuple[Tensor, Tensor]:
    """Thin edges [B, y, x] bool, and the direction 0..pi of each pixel's slope, across the edge, in the channel where it is steepest."""
    smooth = blurred(image, 0.8)
    right, down = sobel(blurred(smooth, 1.2))  # smoother still, for jagged edges point every way
    channel = torch.hypot(right, down).argmax(1, keepdim=True)
    return canny(smooth, contrast / 2, contrast)[:, 0] > 0, (torch.atan2(down.gather(1, channel), right.gather(1, channel)) % pi)[:, 0]


def segments(edges: Tensor, angle: Tensor, settings: LineSettings) -> Tensor:
    """edges [y, x] bool, angle [y, x] 0..pi of the slope -> end points [S, 4] as (x, y, x, y), in pixels."""
    lines = _candidates(edges, angle, settings.length)
    size = edges.shape
    reach = ceil(hypot(*size) / 2)
    along = torch.arange(-reach, reach + 1, device=edges.device, dtype=angle.dtype)
    beside = torch.arange(-SIDE, SIDE + 1, device=edges.device, dtype=angle.dtype)
    x, y = _places(lines, along[:, None], beside, size)  # [K, L, side]
    inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    pixel = torch.where(inside, y * size[1] + x, 0)
    turned = (angle.flatten()[pixel] - lines[:, 0, None, None] + pi / 2) % pi - pi / 2
    hit = inside & edges.flatten()[pixel] & (turned.abs() < pi / 12)
    hit &= _mine(hit, pixel, edges.numel())
    return _fitted(lines, along, beside, hit, size, settings)


def draw(ends: Tensor, like: Tensor) -> Tensor:
    """End points [S, 4] -> [y, x] bool: every pixel on the way between them, one pixel wide."""
    picture = torch.zeros_like(like)
    share = torch.linspace(0, 1, 2 * sum(like.shape), device=ends.device)[:, None]
    x, y = (ends[:, None, i] + share.T * (ends[:, None, i + 2] - ends[:, None, i]) for i in (0, 1))
    picture[nearest(y).clamp(0, like.shape[0] - 1), nearest(x).clamp(0, like.shape[1] - 1)] = True
    return picture


def nearest(place: Tensor) -> Tensor:
    """Whole numbers; halves always upwards, where `round` would skip every other one."""
    return (place + 0.5).floor().long()


def _candidates(edges: Tensor, angle: Tensor, length: int) -> Tensor:
    """Lines [K, 2] as (angle across the line, distance from the middle of the picture), the one with the most votes first."""
    y, x = edges.nonzero().T
    own = (angle[y, x] * (ANGLES / pi)).round()
    reach = ceil(hypot(*edges.shape) / 2) + 1
    wide, votes = 2 * reach + 1, torch.zeros(ANGLES * (2 * reach + 1), device=edges.device)
    for off in range(-SPREAD, SPREAD + 1):
        turn = (own + off) % ANGLES
        radians = turn * (pi / ANGLES)
        distance = (x - edges.shape[1] / 2 + 0.5) * radians.cos() + (y - edges.shape[0] / 2 + 0.5) * radians.sin()
        place = turn.long() * wide + nearest(distance + reach)
        votes.index_add_(0, place, torch.full_like(own, SPREAD + 1 - abs(off), dtype=votes.dtype))  # whole numbers: the same sum in every order
    table = votes.view(ANGLES, wide)
    round_about = torch.cat([table[-APART:].flip(1), table, table[:APART].flip(1)])  # half a turn later the distance has the other sign
    highest = max_pool2d(pad(round_about, (3, 3))[None, None], (2 * APART + 1, 7), stride=1)[0, 0]
    table = table.where((table == highest) & (table >= length * (SPREAD + 1) / 2), 0)
    best, place = table.flatten().sort(descending=True, stable=True)
    place = place[:CANDIDATES][best[:CANDIDATES] > 0]
    return torch.stack([(place // wide) * (pi / ANGLES), (place % wide - reach).to(angle.dtype)], 1)


def _places(lines: Tensor, along: Tensor, beside: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """Pixels x, y at steps along each line and beside it."""
    cos, sin = lines[:, 0, None, None].cos(), lines[:, 0, None, None].sin()
    distance = lines[:, 1, None, None] + beside
    x, y = distance * cos - along * sin + size[1] / 2 - 0.5, distance * sin + along * cos + size[0] / 2 - 0.5
    return nearest(x), nearest(y)


def _mine(hit: Tensor, pixel: Tensor, pixels: int) -> Tensor:
    """Of all lines that hit a pixel, the first has it."""
    line = torch.arange(len(hit), device=hit.device)[:, None, None].expand_as(pixel)
    owner = torch.full((pixels,), len(hit), device=hit.device).scatter_reduce(0, pixel[hit], line[hit], "amin")
    return owner[pixel] == line


def _fitted(lines: Tensor, along: Tensor, beside: Tensor, hit: Tensor, size: torch.Size, settings: LineSettings) -> Tensor:
    """Stretches of hits, gaps closed, moved and turned to fit their pixels best (least squares)."""
    found = hit.any(2)
    closed = _closed(found, settings.gap)
    before, after = closed & ~pad(closed, (1, 0))[:, :-1], closed & ~pad(closed, (0, 1))[:, 1:]
    line, start = before.nonzero().T
    end = after.nonzero()[:, 1]
    aside = (hit * beside).sum(2) / hit.sum(2).clamp(min=1)  # [K, L]
    total = lambda values: _between(values * found, line, start, end)
    count, first, second = total(torch.ones_like(aside)), total(along.expand_as(aside)), total((along**2).expand_as(aside))
    level, tilt = total(aside), total(along * aside)
    bend = (count * tilt - first * level) / (count * second - first**2).clamp(min=1e-6)
    shift = (level - bend * first) / count.clamp(min=1)
    kept = (end - start + 1 >= settings.length) & (count >= settings.score * (end - start + 1))
    line, start, end, shift, bend = (values[kept] for values in (line, start, end, shift, bend))
    cos, sin = lines[line, 0].cos(), lines[line, 0].sin()
    ends = []
    for step in (along[start], along[end]):
        distance = lines[line, 1] + shift + bend * step
        ends += [distance * cos - step * sin + size[1] / 2 - 0.5, distance * sin + step * cos + size[0] / 2 - 0.5]
    return torch.stack(ends, 1)


def _closed(found: Tensor, gap: int) -> Tensor:
    """Holes of up to `gap` steps filled. [K, L] bool"""
    if not gap or not len(found):
        return found
    reach = ceil(gap / 2)
    grown = max_pool1d(pad(found.float(), (2 * reach, 2 * reach)), 2 * reach + 1, stride=1)
    return -max_pool1d(-grown, 2 * reach + 1, stride=1) > 0


def _between(values: Tensor, line: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Sums of values [K, L] over each stretch start..end."""
    sums = pad(values.double().cumsum(1), (1, 0))
    return (sums[line, end + 1] - sums[line, start]).to(values.dtype)
