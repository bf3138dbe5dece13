"""What the techniques do to pictures of the practice model, in numbers: python -m concord.practice.effects [--pictures 16]

Each number compares a run with the technique to the same run without it: same seeds, same prompts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ..hosts.diffusers import host
from ..nodes.null_text import METHODS
from ..processors.attention.style_aligned import reference_lane, style_aligned
from ..processors.features.controlnet import ControlResiduals
from ..processors.prediction.multidiffusion import multidiffusion
from .drawing import render
from .editing_effects import appearance_kept, layout_kept, round_trip
from .editing_strengths import feature_pull, latent_pull, reconstruction, style_distance
from .guided_effects import carried, confined_hint, confined_reference
from .judge import Judge
from .measure import overlap
from .studio import CELLS, Studio, look
from .world import SHAPES, random_scene


def outline_overlap(studio: Studio, pictures: int, strength: float = 1.0) -> float:
    """Mean overlap (IoU) of what is drawn with the object whose outline was the hint; strength 0: without it."""
    drawn, masks = [], []
    control_net = host.practice_control_net()
    for seed in range(pictures):
        scene = random_scene(90_000 + seed, two=0.0, wide=0.0)
        scene = replace(scene, things=tuple(replace(thing, texture="solid") for thing in scene.things))
        truth = render(scene)
        words = studio.encode(f"a {scene.things[0].colour} {scene.things[0].shape} on a {scene.background} background")
        prompts = host.apply_control(words, studio.empty, control_net, truth.sockets()[1], ControlResiduals(strength=strength))
        drawn.append(studio.draw(studio.model, *prompts, seed=seed))
        masks.append(truth.masks.amax(0))
    return overlap(torch.cat(drawn), torch.stack(masks))


def style_spread(studio: Studio, pictures: int, samples: int = 4) -> dict[str, dict[str, float]]:
    """How often two pictures of a batch differ in colour, texture or background where the prompt leaves these open, without and with StyleAligned."""
    aligned, judge = host.attach(studio.model, *style_aligned(), lanes=reference_lane()), Judge.load()
    found: dict[str, list[list[float]]] = {"without": [], "with": []}
    for seed in range(max(1, pictures // samples)):
        words = studio.encode(f"a {SHAPES[seed % len(SHAPES)]}")
        for name, model in (("without", studio.model), ("with", aligned)):
            found[name].append(spread(studio.draw(model, words, seed=seed, samples=samples), judge))
    return {name: dict(zip(("colour", "texture", "background"), torch.tensor(values).mean(0).tolist(), strict=True)) for name, values in found.items()}


def spread(images: Tensor, judge: Judge) -> list[float]:
    """Share of the pairs of a batch that the judge tells apart by colour, by texture, by background."""
    looks = [look(image, judge) for image in images]
    pairs = list(combinations(looks, 2))
    return [sum(one[n] != other[n] for one, other in pairs) / len(pairs) for n in range(3)]


def seams(studio: Studio, pictures: int, times: int = 3) -> dict[str, dict[str, float]]:
    """Step in colour where tiles meet, against the median step of all columns (1: no seam to be seen); and the contrast that is left (1: as in one tile).

    A canvas `times` as wide as the model's size: as independent tiles, as one wide canvas, and with MultiDiffusion.
    """
    wide = (CELLS, times * CELLS)
    windows = host.attach(studio.model, *multidiffusion((CELLS, CELLS), (CELLS // 4, CELLS // 4)))
    found: dict[str, list[tuple[float, float]]] = {}
    scenes = ("mountains at sunset", "sea at noon", "hills at night", "city at sunset", "forest at noon")
    for seed in range(pictures):
        words = studio.encode(scenes[seed % len(scenes)])
        tiles = [studio.draw(studio.model, words, seed=seed * times + n) for n in range(times)]
        contrast = float(torch.stack([tile.std() for tile in tiles]).mean())
        for name, image in (
            ("independent tiles", torch.cat(tiles, -1)),
            ("one wide canvas", studio.draw(studio.model, words, seed=seed, size=wide)),
            ("MultiDiffusion", studio.draw(windows, words, seed=seed, size=wide)),
        ):
            found.setdefault(name, []).append((seam(image, times), float(image.std()) / contrast))
    return {name: dict(zip(("seam", "contrast"), torch.tensor(values).median(0).values.tolist(), strict=True)) for name, values in found.items()}


def seam(image: Tensor, times: int) -> float:
    """[1, 3, y, x] -> mean step between the columns where tiles meet, over the median of all columns."""
    steps = (image[..., 1:] - image[..., :-1]).abs().mean((0, 1, 2))
    borders = [n * image.shape[-1] // times - 1 for n in range(1, times)]
    return float(steps[borders].mean() / steps.median().clamp(min=1e-3))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=16, help="pictures for each number (default 16)")
    pictures = parser.parse_args(arguments).pictures
    studio = Studio()
    for title, found in report(studio, pictures):
        sys.stdout.write(title + "\n")
        for name, values in found.items():
            sys.stdout.write(f"  {name:20} " + "  ".join(f"{what} {value:.2f}" for what, value in values.items()) + "\n")
        sys.stdout.flush()
    return 0


def report(studio: Studio, pictures: int) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """A title, and the numbers below it: for each way to draw what was measured."""
    strengths = (0.0, 0.25, 0.5, 0.75, 1.0)
    yield ("ApplyControlNet: overlap with the outlined object, over strength",
           {f"strength {strength:g}": {"overlap": outline_overlap(studio, pictures, strength)} for strength in strengths})
    yield "ApplyControlNet under a mask of the left half: share of objects that have the outlined shape", confined_hint(studio, pictures)
    ways: dict[str, dict[str, Any]] = {"without": {"weight": 0.0}, **{kind: {"weight_type": kind} for kind in ("linear", "style transfer", "composition")}}
    yield ('DecoupledCrossAttn: share of pictures of "a shape" that are like the reference',
           {name: carried(studio, pictures, **how) for name, how in ways.items()})
    yield "DecoupledCrossAttn under a mask of the left half: share of objects that have the reference's colour", confined_reference(studio, pictures)
    yield "StyleAligned: share of the pairs of a batch of 4 that differ", style_spread(studio, pictures)
    yield ("Prompt-to-Prompt, a colour swapped: overlap with the source's object, and share that has the new colour",
           {"off": layout_kept(studio, pictures, 0, 0), "words": layout_kept(studio, pictures, 0.8, 0), "words and layout": layout_kept(studio, pictures)})
    yield ("MasaCtrl, another place: share of pictures that look like the source, and that stand where asked",
           {"off": appearance_kept(studio, pictures, 1.0), "from a tenth of the run": appearance_kept(studio, pictures)})
    yield "DDIM inversion: the way back misses the picture by", {f"{steps} steps": round_trip(studio, max(2, pictures // 4), steps) for steps in (10, 20, 50)}
    yield from over_strengths(studio, pictures)
    yield "MultiDiffusion: a canvas three times as wide as the model's size", seams(studio, max(2, pictures // 3))


def over_strengths(studio: Studio, pictures: int) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """The edits over their main settings, in numbers that change smoothly."""
    settings: dict[str, dict[str, Any]] = {"off": {"share": False, "adain": ""}, **{f"shift {shift}": {"shift": shift} for shift in (-1.0, 0.0, 1.0)},
                                           **{f"scale {scale}": {"scale": scale} for scale in (0.5, 1.5)}}
    yield ("StyleAligned: how far two pictures of a batch are apart, in their mean colours and in texture (levels of 255 from pixel to pixel)",
           {name: style_distance(studio, pictures, **how) for name, how in settings.items()})
    strengths = (0.0, 0.25, 0.5, 0.75, 1.0)
    pulls = {"Feature AdaIN of values": feature_pull(studio, pictures, strengths), "Latent AdaIN": latent_pull(studio, pictures, strengths)}
    yield ("AdaIN over strength: how far mean colours are from the reference's",
           {name: {f"{strength:g}:": far for strength, far in zip(strengths, pull, strict=True)} for name, pull in pulls.items()})
    yield ("Prompt-to-Prompt over cross_replace: overlap with the source's object",
           {f"until {until:g}": {"overlap": layout_kept(studio, pictures, until, 0)["overlap"]} for until in (0.0, 0.3, 0.8)})
    yield ("MasaCtrl over start_percent: share of pictures that look like the source",
           {f"from {start:g}": appearance_kept(studio, pictures, start) for start in (1.0, 0.6, 0.08)})
    yield ("Null-Text: decibels with which inverted pictures come back at guidance 4",
           {method: {"PSNR": reconstruction(studio, max(2, pictures // 4), method, tries=4)} for method in reversed(METHODS)})


if __name__ == "__main__":
    raise SystemExit(main())
