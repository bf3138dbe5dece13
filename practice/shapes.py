"""Signed distances of the six shapes, all about equally large to the eye (formulas: Inigo Quilez, 2D distance functions)."""

from __future__ import annotations

import numpy as np


def distance(shape: str, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance in pixels, negative inside. x, y: pixels from the centre, y downwards, any shapes that broadcast."""
    return _SHAPES[shape](x, y, np.float32(radius))


def _circle(x: np.ndarray, y: np.ndarray, radius: np.float32) -> np.ndarray:
    return np.sqrt(x * x + y * y) - radius * np.float32(0.95)


def _square(x: np.ndarray, y: np.ndarray, radius: np.float32) -> np.ndarray:
    side = radius * np.float32(0.85)
    dx, dy = np.abs(x) - side, np.abs(y) - side
    return np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2) + np.minimum(np.maximum(dx, dy), 0)


def _cross(x: np.ndarray, y: np.ndarray, radius: np.float32) -> np.ndarray:
    arm = radius * np.float32(0.36)
    x, y = np.broadcast_arrays(np.abs(x), np.abs(y))
    across, along = np.minimum(x, y), np.maximum(x, y)
    dx, dy = along - radius * np.float32(1.05), across - arm
    outside = np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2) + np.minimum(np.maximum(dx, dy), 0)
    corner = -np.sqrt((along - arm) ** 2 + (across - arm) ** 2)  # inside, the nearest border may be the inner corner
    return np.where((along < arm) & (across < arm), corner, outside)


def _triangle(x: np.ndarray, y: np.ndarray, radius: np.float32) -> np.ndarray:
    return _polygon(x, y - radius * np.float32(0.2), [(radius * 1.15 * np.sin(a), -radius * 1.15 * np.cos(a)) for a in np.arange(3) * 2 * np.pi / 3])


def _star(x: np.ndarray, y: np.ndarray, radius: np.float32) -> np.ndarray:
    reach = [radius * (1.15 if n % 2 == 0 else 0.5) for n in range(10)]
    return _polygon(x, y, [(r * np.sin(n * np.pi / 5), -r * np.cos(n * np.pi / 5)) for n, r in enumerate(reach)])


def _heart(x: np.ndarray, y: np.ndarray, radius: np.float32) -> np.ndarray:
    size = radius * np.float32(1.75)
    x, y = np.broadcast_arrays(np.abs(x) / size, 0.55 - y / size)  # the formula's heart stands on its tip at the origin
    lobe = np.sqrt((x - 0.25) ** 2 + (y - 0.75) ** 2) - np.float32(np.sqrt(2) / 4)
    half = 0.5 * np.maximum(x + y, 0)
    side = np.sqrt(np.minimum(x**2 + (y - 1) ** 2, (x - half) ** 2 + (y - half) ** 2)) * np.sign(x - y)
    return size * np.where(x + y > 1, lobe, side)


def _polygon(x: np.ndarray, y: np.ndarray, corners: list[tuple[float, float]]) -> np.ndarray:
    """Signed distance to a closed polygon."""
    x, y = np.broadcast_arrays(x, y)
    nearest = np.full(x.shape, np.inf, np.float32)
    sign = np.ones(x.shape, np.float32)
    for (ax, ay), (bx, by) in zip(corners, corners[-1:] + corners[:-1], strict=True):
        ex, ey = np.float32(bx - ax), np.float32(by - ay)
        wx, wy = x - np.float32(ax), y - np.float32(ay)
        along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (wx - ex * along) ** 2 + (wy - ey * along) ** 2)
        up, down, left = y >= ay, y < by, ex * wy > ey * wx
        sign = np.where((up & down & left) | ~(up | down | left), -sign, sign)
    return sign * np.sqrt(nearest)


_SHAPES = {"circle": _circle, "square": _square, "triangle": _triangle, "star": _star, "heart": _heart, "cross": _cross}
