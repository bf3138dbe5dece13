"""What share of pictures shows what was asked for, by the judge."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .judge import Judge, background, find_all, foreground, is_picture
from .world import Scene, random_scene


def scenes_to_test(count: int, two: float, held_out: bool | None = False, seed: int = 77_000) -> list[Scene]:
    """Scenes of the test prompts: other seeds than training's."""
    return [random_scene(seed + n, two=two, wide=0.0, held_out=held_out) for n in range(count)]


def score(images: Tensor, scenes: list[Scene], judge: Judge) -> dict[str, float]:
    """Shares of pictures that show what their scene asks for; with two objects, both must be right."""
    hits: dict[str, list[bool]] = {}
    cuts, owners = [], []
    for number, (image, scene) in enumerate(zip(images, scenes, strict=True)):
        seen = find_all(image, scene) if is_picture(image) else [None] * len(scene.things)
        for thing, one in zip(scene.things, seen, strict=True):
            owners.append((number, thing, one))
            if one is not None:
                cuts.append(one.cut)
    named = iter(judge.names(cuts))
    right: dict[int, list[tuple[bool, ...]]] = {}
    for number, thing, one in owners:
        shape, texture, colour = next(named) if one is not None else ("", "", "")
        place = one is not None and (len(scenes[number].things) == 2 or one.place == thing.place)
        right.setdefault(number, []).append((place, colour == thing.colour, texture == thing.texture, shape == thing.shape))
    for number, scene in enumerate(scenes):
        hits.setdefault("background", []).append(is_picture(images[number]) and background(images[number])[0] == scene.background)
        prefix = "two-object " if len(scene.things) == 2 else ""
        for name, values in zip(("position", "colour", "texture", "shape"), zip(*right[number], strict=True), strict=True):
            hits.setdefault(prefix + name, []).append(all(values))
    return {name: float(np.mean(values)) for name, values in hits.items()}


def overlap(images: Tensor, masks: Tensor) -> float:
    """Mean intersection over union of what stands out from the background with masks [n, y, x]."""
    shares = []
    for image, mask in zip(images, masks, strict=True):
        found = foreground(image) if is_picture(image) else torch.zeros_like(mask, dtype=torch.bool)
        shares.append(float((found & mask.bool()).sum() / (found | mask.bool()).sum().clamp(min=1)))
    return float(np.mean(shares))
