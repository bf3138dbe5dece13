"""Train the image adapter beside the frozen UNet and vision tower."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .adapter import ImageAdapter, prepare
from .data import Shards, token_rows
from .drawing import render
from .model import mixed
from .noise import Noiser
from .words import rows
from .world import SHAPES, Scene, caption


def new_adapter(unet: nn.Module, seed: int = 0) -> ImageAdapter:
    """An untrained adapter."""
    torch.manual_seed(seed)
    adapter = ImageAdapter()
    adapter.start_from(unet)
    return adapter


def relative(scene: Scene, rng: np.random.Generator) -> Scene:
    """A reference for `scene`: the same colours, textures and background; each object is turned a little, its size is
    another, and half of the time it has another shape or place too, so that a prompt can ask for one of its own."""
    if scene.wide is not None:
        return replace(scene, seed=int(rng.integers(1 << 31)))
    other = rng.random() < 0.5
    things = []
    for thing in scene.things:
        shape = SHAPES[rng.integers(len(SHAPES))] if other else thing.shape
        change = {"shape": shape, "angle": float(rng.uniform(-0.2, 0.2)), "radius": float(rng.uniform(0.15, 0.2))}
        if other and len(scene.things) == 1:
            change |= {"x": float(rng.uniform(0.25, 0.75)), "y": float(rng.uniform(0.25, 0.75))}
        things.append(replace(thing, **change))
    return replace(scene, things=tuple(things))


def said(scene: Scene) -> list[int]:
    """Where the full caption names the colour, the texture and the background (twice, as it is the larger part), or a wide scene; tokens after the first."""
    words = caption(scene).split()
    if scene.wide is not None:
        return [1, *[len(words)] * 3]
    thing, last = scene.things[0], len(words) - 1
    return [1 + words.index(thing.colour), 1 + words.index(thing.texture), last, last + 1]


class AdapterLoss:
    """Noise-prediction error with the reference. Captions leave out most colours, textures and backgrounds: the picture has to tell.

    The first steps teach the projection to speak like the text tower, whose words the adapter's key and value weights start from: what the tower makes of
    the words that name what the picture shows. Two objects are more than four tokens can name so; they are left to the noise prediction.
    """

    WORDS_ALONE, WORDS = 400, 0.02  # steps at first; share of it after that
    SOFTER = 1 / 1.3  # the weight at training: noise prediction is content with less of a reference than people want to see at weight 1

    def __init__(self, adapter: ImageAdapter, vision: nn.Module, pair: nn.ModuleDict, shards: Shards, device: torch.device, seed: int = 0) -> None:
        self.adapter, self.vision, self.pair, self.shards, self.device = adapter, vision, pair.eval().requires_grad_(False), shards, device
        self.noiser, self.rng = Noiser(device), np.random.default_rng(seed)
        adapter.attach(pair["unet"], self.SOFTER)

    def __call__(self, step: int, batch: int) -> Tensor:
        drawn = self.shards.draw(self.rng, batch)
        references = [relative(scene, self.rng) for scene in drawn.scenes]
        with torch.no_grad():
            seen = self.vision(prepare(torch.stack([render(scene, 128, 128).image for scene in references]).to(self.device))).image_embeds
        unlike = self.unlike_words(seen, references)
        if step < self.WORDS_ALONE:
            return unlike
        tokens = token_rows(drawn.scenes, self.rng, drop=0.2, style=0.75).to(self.device)
        kept = torch.rand(batch, 1, device=self.device) > 0.08  # without a picture: zeros in its place
        noised = self.noiser(drawn.latents)
        with mixed(self.device):
            with torch.no_grad():
                told = self.pair["text"](tokens)[0]
            shown = self.adapter.image_proj(seen * kept)
            predicted = self.pair["unet"](noised.noisy, noised.steps, torch.cat([told, shown.to(told.dtype)], 1)).sample
        return noised.loss(predicted, drawn.weight) + self.WORDS * unlike

    def unlike_words(self, seen: Tensor, references: list[Scene]) -> Tensor:
        """Mean squared difference of the image tokens from the text states of the words for what is seen."""
        few = [i for i, scene in enumerate(references) if scene.wide is not None or len(scene.things) == 1]
        with torch.no_grad():
            told = self.pair["text"](torch.tensor([rows(caption(references[i])) for i in few], device=self.device))[0]
        words = torch.tensor([said(references[i]) for i in few], device=self.device)
        return F.mse_loss(self.adapter.image_proj(seen[few]), told.gather(1, words[..., None].expand(-1, -1, told.shape[-1])))
