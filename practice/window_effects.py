"""What windows and their regions do to pictures of the practice model, in numbers: seams, one scene along the width, objects that stay in their region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..hosts.diffusers import host
from ..hosts.diffusers.sample import sample
from ..nodes.multidiffusion_regions import MultiDiffusionRegions
from ..processors.features.controlnet import ControlResiduals
from ..processors.prediction.multidiffusion import multidiffusion
from ..processors.regions import Region
from .drawing import render
from .judge import Judge, background, find
from .region_effects import HALVES, an, named
from .studio import CELLS, Studio
from .world import COLOURS, SHAPES, random_scene

SCENES = ("mountains at sunset", "sea at noon", "hills at night", "city at sunset", "forest at noon")
PIXELS = 8  # a latent cell


def wide_scenes(studio: Studio, pictures: int, stride: int = CELLS // 4, times: int = 4, **how: Any) -> dict[str, float]:
    """Pictures `times` as wide as the model's size. seam: the step in colour across the windows' edges over that elsewhere (1: none to be seen); contrast: of
    what independent pictures have; drift: how far the backgrounds of its parts lie from one another in RGB 0..1."""
    found = []
    model, starts = host.attach(studio.model, *multidiffusion((CELLS, CELLS), (CELLS, stride), **how)), range(stride, (times - 1) * CELLS, stride)
    for seed in range(pictures):
        words = studio.encode(SCENES[seed % len(SCENES)])
        one = studio.draw(studio.model, words, seed=seed)[0]
        image = studio.draw(model, words, seed=seed, size=(CELLS, times * CELLS))[0]
        edges = sorted({*(PIXELS * start for start in starts), *(PIXELS * (start + CELLS) for start in starts)})
        found.append([seam(image, edges), float(image.std() / one.std()), drift(image.chunk(times, -1))])
    return dict(zip(("seam", "contrast", "drift"), torch.tensor(found).mean(0).tolist(), strict=True))


def closed(studio: Studio, pictures: int, wrap: bool) -> float:
    """The step in colour from the right edge of wide pictures to the left one, over that between neighbours inside: 1 closes a panorama. The latents are turned
    before they are decoded, because the VAE knows of no going around."""
    model, found = host.attach(studio.model, *multidiffusion((CELLS, CELLS), (CELLS, CELLS // 4), wrap=(False, wrap))), []
    for seed in range(pictures):
        words, empty = studio.encode(SCENES[seed % len(SCENES)]), {"samples": torch.zeros(1, 4, CELLS, 3 * CELLS)}
        latent = sample(model, seed, studio.steps, studio.guidance, "dpmpp_2m", "normal", words, studio.empty, empty)
        image = studio.parts[2].decode(latent["samples"].roll(CELLS, -1))[0].movedim(-1, 0)
        found.append(seam(image, [PIXELS * CELLS]))
    return sum(found) / len(found)


def tiles(studio: Studio, pictures: int, times: int = 4) -> dict[str, float]:
    """The same of independent pictures side by side."""
    found = []
    for seed in range(pictures):
        parts = [studio.draw(studio.model, studio.encode(SCENES[seed % len(SCENES)]), seed=times * seed + n)[0] for n in range(times)]
        edges = [n * PIXELS * CELLS for n in range(1, times)]
        found.append([seam(torch.cat(parts, -1), edges), float(torch.cat(parts, -1).std() / parts[0].std()), drift(parts)])
    return dict(zip(("seam", "contrast", "drift"), torch.tensor(found).mean(0).tolist(), strict=True))


def seam(image: Tensor, edges: Sequence[int]) -> float:
    """[3, y, x] -> the mean step between the columns on both sides of `edges`, over that between all other neighbours."""
    steps = (image[..., 1:] - image[..., :-1]).abs().mean((0, 1))
    at = torch.zeros(len(steps), dtype=torch.bool)
    at[[edge - 1 for edge in edges]] = True
    return float(steps[at].mean() / steps[~at].mean())


def drift(parts: Sequence[Tensor]) -> float:
    """The mean distance between the background colours of parts of a picture."""
    colours = [background(part)[1] for part in parts]
    return float(torch.stack([(a - b).norm() for a, b in combinations(colours, 2)]).mean())


def two_regions(studio: Studio, pictures: int, strength: float = 1.0, until: float = 0.4) -> dict[str, float]:
    """Two objects, a region for each half; the main prompt says only the background. Share of the halves that have the right colour, the right shape, and of
    the pictures where all four are right."""
    judge, found = Judge.load(), []
    for seed in range(pictures):
        scene = random_scene(96_000 + seed, two=1.0, wide=0.0)
        things, ground = dict(zip(HALVES, scene.things, strict=True)), f"on {an(scene.background)} background"
        regions = tuple(Region(box=HALVES[half], prompt=f"{an(named(thing))} on the {half} {ground}", strength=strength) for half, thing in things.items())
        image = drawn(studio, an(f"{scene.background} background"), regions, until, seed)
        seen = [find(image, half) for half in things]
        names = [judge.names([one.cut])[0] if one else ("", "", "") for one in seen]
        right = [(name[2] == thing.colour, name[0] == thing.shape) for name, thing in zip(names, things.values(), strict=True)]
        found.append([sum(colour for colour, _ in right) / 2, sum(shape for _, shape in right) / 2, all(map(all, right))])
    return dict(zip(("colour", "shape", "all right"), torch.tensor(found).float().mean(0).tolist(), strict=True))


def in_a_small_box(studio: Studio, pictures: int, until: float) -> float:
    """One object in a box that is smaller than objects are of themselves. Share of the pictures where it has the shape that was asked for, because it lies in
    the box as a whole; without bootstrapping it is cut off."""
    judge, found = Judge.load(), []
    for seed in range(pictures):
        shape, colour = SHAPES[seed % len(SHAPES)], COLOURS[seed % len(COLOURS)]
        ground = f"{an(COLOURS[(seed + 1) % len(COLOURS)])} background"
        region = Region(box=(0.3, 0.3, 0.7, 0.7), prompt=f"{an(colour)} solid {shape} on {ground}")
        seen = find(drawn(studio, ground, (region,), until, seed))
        found.append(seen is not None and judge.names([seen.cut])[0][0] == shape)
    return sum(found) / len(found)


def drawn(studio: Studio, ground: str, regions: tuple[Region, ...], until: float, seed: int) -> Tensor:
    """A picture [3, y, x] of a background with regions."""
    _, clip, vae = studio.parts
    model, positive, negative = MultiDiffusionRegions.execute(studio.model, studio.encode(ground), studio.empty, regions, until, seed, clip=clip, vae=vae).args
    return studio.draw(model, positive, negative, seed=seed)[0]


def refined(studio: Studio, pictures: int, times: int = 4, denoise: float = 0.4, rows: int = 8, **how: Any) -> dict[str, float]:
    """Pictures enlarged to `times` the model's size and drawn once more in windows, after the outlines that they had. seam: across the windows' edges over
    elsewhere, in both directions; detail: steps between neighbours over those before; kept: the correlation with the picture before; rows: the most in one
    call of the network, of `rows` that were allowed."""
    _, _, vae = studio.parts
    size, stride = times * CELLS, 3 * CELLS // 4
    model = replace(host.attach(studio.model, *multidiffusion((CELLS, CELLS), (stride, stride), **{"fusion": "cosine", **how})), rows_per_call=rows)
    starts = range(0, size - CELLS + 1, stride)
    edges = sorted({PIXELS * edge for start in starts for edge in (start, start + CELLS)} - {0, PIXELS * size})
    found, called = [], []
    watch = studio.model.network.register_forward_pre_hook(lambda network, x: called.append(len(x[0])))
    for seed in range(pictures):
        truth = render(random_scene(98_000 + seed, two=0.0, wide=0.0))
        picture, outlines = truth.sockets()[:2]
        large = interpolate(picture.movedim(-1, 1), scale_factor=times, mode="bicubic").clamp(0, 1)
        hint = interpolate(outlines.movedim(-1, 1), scale_factor=times, mode="bilinear").movedim(1, -1)
        prompts = host.apply_control(studio.encode(""), studio.empty, host.practice_control_net(), hint, ControlResiduals(strength=0.7))
        latent = sample(model, seed, studio.steps, 1.0, "dpmpp_2m", "normal", *prompts, {"samples": vae.encode(large.movedim(1, -1))}, denoise=denoise)
        image = vae.decode(latent["samples"]).movedim(-1, 1)
        steps = lambda of: float((of[..., 1:] - of[..., :-1]).abs().mean())
        both = torch.stack([image[0].flatten(), large[0].flatten()])
        found.append([(seam(image[0], edges) + seam(image[0].mT, edges)) / 2, steps(image) / steps(large), float(torch.corrcoef(both)[0, 1])])
    watch.remove()
    return {**dict(zip(("seam", "detail", "kept"), torch.tensor(found).mean(0).tolist(), strict=True)), "rows": float(max(called))}
