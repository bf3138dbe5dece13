"""How much edits do to pictures of the practice model over their main setting, in numbers that change smoothly where names of colours would jump."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import log10

import torch
from torch import Tensor

from ..hosts.diffusers import host
from ..hosts.diffusers.sample import sample
from ..nodes.latent_adain import LatentAdaIN
from ..nodes.null_text import METHODS, NullText
from ..processors.attention.adain import feature_adain
from ..processors.attention.style_aligned import reference_lane, style_aligned
from ..processors.edit import Edit
from .drawing import render
from .studio import CELLS, Studio
from .world import SHAPES, caption, random_scene

RATE = 0.1  # of null-text: a small network with a small text wants larger steps than Stable Diffusion


def style_distance(studio: Studio, pictures: int, samples: int = 4, **how) -> dict[str, float]:
    """Mean distance between two pictures of a batch of "a heart": of their mean colours, and of how much neighbouring pixels differ (texture).

    how: of `style_aligned`; share=False, adain="" is off.
    """
    model = host.attach(studio.model, *style_aligned(**how), lanes=reference_lane())
    found = []
    for seed in range(max(1, pictures // samples)):
        images = studio.draw(model, studio.encode(f"a {SHAPES[seed % len(SHAPES)]}"), seed=seed, samples=samples)
        pairs = list(combinations(images, 2))
        found.append([sum(float((of(one) - of(other)).norm()) for one, other in pairs) / len(pairs) for of in (colour, texture)])
    return dict(zip(("colour", "texture"), torch.tensor(found).mean(0).tolist(), strict=True))


def reference_change(studio: Studio) -> dict[str, float]:
    """How far the reference of StyleAligned is from itself in a batch that shares nothing, and from itself drawn alone (where kernels round otherwise,
    and samplers carry that on), as a share of its largest value."""
    aligned = host.attach(studio.model, *style_aligned(group_norm=True), lanes=reference_lane())
    first, *others = (_latent(studio, model, "a heart", list(range(n)))[0] for model, n in ((aligned, 3), (studio.model, 3), (studio.model, 1)))
    return {name: float((first - other).abs().max() / other.abs().max()) for name, other in zip(("batch", "alone"), others, strict=True)}


def feature_pull(studio: Studio, pictures: int, strengths: Sequence[float], features: str = "values", samples: int = 4) -> list[float]:
    """For each strength of Feature AdaIN: the mean distance of the mean colours of a batch to that of its reference."""
    return [_pull(studio, pictures, feature_adain(features, "mean and deviation", strength), samples) for strength in strengths]


def latent_pull(studio: Studio, pictures: int, strengths: Sequence[float]) -> list[float]:
    """For each strength of Latent AdaIN: the mean distance of a picture's mean colour to that of the reference, which is another scene."""
    vae, found = studio.parts[2], []
    for seed in range(pictures):
        picture, reference = ({"samples": vae.encode(render(random_scene(96_000 + 2 * seed + n, two=0.0, wide=0.0)).sockets()[0])} for n in (0, 1))
        show = lambda latent: colour(vae.decode(latent["samples"]).movedim(-1, 1)[0])
        found.append([float((show(LatentAdaIN.execute(picture, reference, "mean and deviation", strength).args[0]) - show(reference)).norm())
                      for strength in strengths])
    return torch.tensor(found).mean(0).tolist()


def reconstruction(studio: Studio, pictures: int, method: str, tries: int = 10) -> float:
    """Decibels (PSNR) with which real pictures come back from their inverted noise at the studio's guidance. method: one of Null-Text's; "off": without."""
    found = []
    for seed in range(pictures):
        scene = random_scene(97_000 + seed, two=0.0, wide=0.0)
        latent, said = {"samples": studio.parts[2].encode(render(scene).sockets()[0])}, studio.encode(caption(scene))
        bank = host.invert(studio.model, latent, said, studio.empty, studio.steps, "normal")
        model = studio.model
        if method != METHODS[-1]:
            model = NullText.execute(model, said, studio.empty, bank, studio.guidance, method, tries, "source and targets", "recompute", RATE).args[0]
        noise = host.as_latent(model, bank.latents[0])
        made = sample(model, 1, studio.steps, studio.guidance, "euler", "normal", said, studio.empty, noise, add_noise=False)
        one, other = (studio.parts[2].decode(of["samples"]) for of in (made, latent))
        found.append(-10 * log10(float((one - other).square().mean())))
    return sum(found) / len(found)


def colour(image: Tensor) -> Tensor:
    """[3, y, x] -> the mean colour [3]."""
    return image.mean((-2, -1))


def texture(image: Tensor) -> Tensor:
    """[3, y, x] 0..1 -> how much neighbouring pixels differ, across and down [2], in levels of 255."""
    return torch.stack([255 * image.diff(dim=dim).abs().mean() for dim in (-1, -2)])


def _pull(studio: Studio, pictures: int, edits: tuple[Edit, ...], samples: int) -> float:
    model, found = host.attach(studio.model, *edits, lanes=reference_lane()), []
    for seed in range(max(1, pictures // samples)):
        first, *others = studio.draw(model, studio.encode(f"a {SHAPES[seed % len(SHAPES)]}"), seed=seed, samples=samples)
        found += [float((colour(other) - colour(first)).norm()) for other in others]
    return sum(found) / len(found)


def _latent(studio: Studio, model, text: str, noises: list[int]) -> Tensor:
    """Latents of pictures that begin with these draws of one seed."""
    canvas = {"samples": torch.zeros(len(noises), 4, CELLS, CELLS), "batch_index": noises}
    return sample(model, 1, studio.steps, studio.guidance, "dpmpp_2m", "normal", studio.encode(text), studio.empty, canvas)["samples"]
