"""Wide pictures for canvases of any length: landscapes in three lights, and all-over patterns in a colour.

Heights and lengths are in units of the canvas height, so that a 128-pixel window of a long canvas looks like a picture of
its own. Patterns are in pixels.
"""

from __future__ import annotations

import numpy as np

SKIES = {  # top and bottom of the sky, and the tint of the light, 0..255
    "noon": ((70, 150, 240), (200, 228, 250), (255, 255, 255)),
    "sunset": ((120, 60, 150), (255, 160, 70), (255, 175, 150)),
    "night": ((8, 10, 40), (30, 36, 90), (70, 80, 140)),
}
GROUNDS = {  # colours of the layers, back to front
    "mountains": ((150, 160, 185), (105, 112, 140), (70, 78, 95)),
    "hills": ((130, 185, 110), (80, 155, 75), (45, 115, 50)),
    "sea": ((60, 140, 190), (35, 105, 165), (20, 75, 135)),
    "city": ((165, 160, 170), (115, 112, 125), (75, 75, 85)),
    "forest": ((95, 150, 110), (50, 115, 70), (25, 80, 45)),
}
Layer = tuple[np.ndarray, np.ndarray]


def layers(name: str, light: str, seed: int, width: int, height: int) -> tuple[np.ndarray, list[Layer]]:
    """A landscape: its sky [y, x, 3] 0..255, and back to front each layer's signed distance [y, x] in pixels and colour [3]."""
    rng = np.random.default_rng(seed)
    top, low, tint = (np.array(colour, np.float32) for colour in SKIES[light])
    fall = np.clip((np.arange(height, dtype=np.float32) + 0.5) / height / 0.7, 0, 1)[:, None, None]
    sky = np.broadcast_to(top + fall * (low - top), (height, width, 3)).copy()
    x = (np.arange(width, dtype=np.float32) + 0.5) / height
    y = (np.arange(height, dtype=np.float32) + 0.5)[:, None]
    painted = []
    for depth, colour in enumerate(GROUNDS[name]):
        line = _LINES[name](x, rng, depth)  # [x]: how high the layer reaches, from the bottom
        slope = np.sqrt(1 + np.minimum(np.gradient(line) * height, 3) ** 2) if width > 1 else 1
        signed = ((1 - line)[None] * height - y) / slope  # vertical distance, shortened where the line is steep
        painted.append((signed.astype(np.float32), np.array(colour, np.float32) * tint / 255))
    return sky, painted


def pattern(name: str, colour: np.ndarray, seed: int, width: int, height: int) -> np.ndarray:
    """An all-over pattern [y, x, 3] 0..255 in `colour` [3] 0..255."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + np.float32(rng.uniform(0, 64)), y + np.float32(rng.uniform(0, 64))
    white, dark = np.float32((245, 245, 245)), colour * np.float32(0.45)
    if name == "bricks":
        row = np.floor(y / 12)
        joint = np.minimum(_line(y, 12), _line(x + (row % 2) * 12, 24))
        return _mix(colour[None, None], white, np.clip(1.7 - joint, 0, 1))
    if name == "tiles":
        odd = (np.floor(x / 16) + np.floor(y / 16)) % 2
        return _mix(colour[None, None], dark, odd.astype(np.float32))
    crest = _line(y + 4 * np.sin(x * np.float32(2 * np.pi / 32)), 14)  # waves
    return _mix(colour[None, None], white, np.clip(2.7 - crest, 0, 1))


def _line(position: np.ndarray, period: float) -> np.ndarray:
    """Pixels to the nearest of the lines that stand `period` pixels apart."""
    return np.abs((position + period / 2) % period - period / 2)


def _mix(under: np.ndarray, over: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (under + share[..., None] * (over - under)).astype(np.float32)


def _mountains(x: np.ndarray, rng: np.random.Generator, depth: int) -> np.ndarray:
    line = np.zeros_like(x)
    for wave, size in ((1.1, 0.16), (0.47, 0.06), (0.19, 0.025)):
        line += size * np.abs((x / wave + rng.random()) % 1 * 2 - 1)
    return line + (0.48, 0.27, 0.08)[depth]


def _hills(x: np.ndarray, rng: np.random.Generator, depth: int) -> np.ndarray:
    line = 0.07 * np.sin(2 * np.pi * (x / 1.3 + rng.random())) + 0.03 * np.sin(2 * np.pi * (x / 0.57 + rng.random()))
    return line + (0.56, 0.38, 0.2)[depth]


def _sea(x: np.ndarray, rng: np.random.Generator, depth: int) -> np.ndarray:
    swell = (0.0, 0.012, 0.025)[depth]
    return swell * np.sin(2 * np.pi * (x / 0.25 + rng.random())) + (0.52, 0.34, 0.16)[depth]


def _city(x: np.ndarray, rng: np.random.Generator, depth: int) -> np.ndarray:
    house = np.floor(x / (0.14, 0.17, 0.21)[depth] + rng.random()).astype(int)
    return rng.uniform(0.0, 0.28, 4096)[house % 4096] + (0.42, 0.24, 0.06)[depth]


def _forest(x: np.ndarray, rng: np.random.Generator, depth: int) -> np.ndarray:
    place = x / (0.13, 0.17, 0.22)[depth] + rng.random()
    tree = np.abs(place % 1 * 2 - 1)  # 0 in the middle of a tree, 1 between two
    tall = rng.uniform(0.14, 0.3, 4096)[np.floor(place).astype(int) % 4096]
    return tall * (1 - tree) + (0.42, 0.24, 0.06)[depth]


_LINES = {"mountains": _mountains, "hills": _hills, "sea": _sea, "city": _city, "forest": _forest}
