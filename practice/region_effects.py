"""What regions do to pictures of the practice model, in numbers: objects that stand where their region is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..nodes.attention_maps import AttentionMaps
from ..nodes.region_guidance import RegionGuidance
from ..processors.attention.attention_maps import heat
from ..processors.regions import Region
from .judge import Judge, find
from .measure import overlap
from .studio import Studio
from .world import Thing, random_scene

HALVES = {"left": (0.0, 0.0, 0.5, 1.0), "right": (0.5, 0.0, 1.0, 1.0)}
CORNERS = ((0.05, 0.05), (0.45, 0.05), (0.05, 0.45), (0.45, 0.45))  # of boxes half as wide as the picture
SIZE = 0.5


def in_their_halves(studio: Studio, pictures: int, mode: str = "region prompts", strength: float = 1.0, placed: bool = True,
                    **settings: Any) -> dict[str, float]:  # fmt: skip
    """Two objects, a region for each half. Share of the halves that have the right colour, the right shape, and of the pictures where all four are right.

    placed: the main prompt is "a solid shape on the left and a solid shape on the right", and only the regions say which; else it names both objects, but
    not where they stand.
    """
    judge, found = Judge.load(), []
    for seed in range(pictures):
        scene = random_scene(94_000 + seed, two=1.0, wide=0.0)
        things, ground = dict(zip(HALVES, scene.things, strict=True)), f"on {an(scene.background)} background"
        said = {half: an(named(thing)) for half, thing in things.items()}
        place = {half: f" on the {half}" if placed else "" for half in things}
        regions = tuple(Region(box=HALVES[half], words=named(thing), prompt=f"{said[half]}{place[half]} {ground}") for half, thing in things.items())
        text = f"{' and '.join(f'a solid shape{place[half]}' if placed else said[half] for half in things)} {ground}"
        image = guided(studio, text, regions, mode, strength, seed, **settings)[0]
        seen = [find(image, half) for half in things]
        names = [judge.names([one.cut])[0] if one else ("", "", "") for one in seen]
        right = [(name[2] == thing.colour, name[0] == thing.shape) for name, thing in zip(names, things.values(), strict=True)]
        found.append([sum(colour for colour, _ in right) / 2, sum(shape for _, shape in right) / 2, all(map(all, right))])
    return dict(zip(("colour", "shape", "all right"), torch.tensor(found).float().mean(0).tolist(), strict=True))


def in_the_box(studio: Studio, pictures: int, mode: str, strength: float = 1.0, **settings: Any) -> dict[str, float]:
    """One object whose place the prompt leaves open, with a box for it in a corner. mass: the share of what is looked at for its words that lies in the box;
    overlap: IoU of what is drawn with the box (a disc that fills it has 0.79)."""
    found = []
    for seed in range(pictures):
        scene = random_scene(95_000 + seed, two=0.0, wide=0.0)
        words, (x, y) = named(scene.things[0]), CORNERS[seed % len(CORNERS)]
        region = Region(box=(x, y, x + SIZE, y + SIZE), words=words, prompt=an(words))
        image, maps = guided(studio, f"{an(words)} on {an(scene.background)} background", (region,), mode, strength, seed, **settings)
        inside = region.cover((image.shape[-2], image.shape[-1])) > 0.5
        seen = heat(maps, [region.words], (image.shape[-2], image.shape[-1]), scale="all words together")[0, 0]
        found.append([float((seen * inside).sum() / seen.sum()), overlap(image[None], inside[None])])
    return dict(zip(("mass", "overlap"), torch.tensor(found).mean(0).tolist(), strict=True))


def guided(studio: Studio, text: str, regions: tuple[Region, ...], mode: str, strength: float, seed: int, **settings: Any) -> tuple[Tensor, Any]:
    """A picture [3, y, x] that keeps to regions, and the maps of their words as far as the main prompt has them."""
    settings = {"start_percent": 0.0, "end_percent": 0.0, **settings}
    model = RegionGuidance.execute(studio.model, studio.parts[1], text, regions, mode, strength, **settings).args[0]
    words = ", ".join(region.words for region in regions if region.words in text)
    model, maps = AttentionMaps.execute(model, studio.parts[1], text, words, 0.0, 1.0).args
    return studio.draw(model, studio.encode(text), seed=seed)[0], maps


def named(thing: Thing) -> str:
    return f"{thing.colour} solid {thing.shape}"


def an(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
