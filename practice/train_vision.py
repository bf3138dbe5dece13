"""Train the vision tower to name what a picture shows, before the image adapter uses it: its place in CLIP's role."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .adapter import prepare
from .drawing import render
from .model import VISION, new_vision
from .world import COLOURS, SHAPES, TEXTURES, WIDE, Scene, random_scene

NAMES = (*COLOURS, *COLOURS, *SHAPES, *TEXTURES, *WIDE)  # backgrounds, then what objects are, then wide scenes


def new_namer(seed: int = 0) -> nn.ModuleDict:
    """An untrained vision tower with the linear reader of its embedding, which is thrown away after training."""
    torch.manual_seed(seed)
    return nn.ModuleDict({"vision": new_vision(), "reader": nn.Linear(VISION["projection_dim"], len(NAMES))})


def names(scene: Scene) -> list[float]:
    """1 for each of NAMES that the scene shows."""
    objects = lambda attribute, known: [float(any(getattr(thing, attribute) == name for thing in scene.things)) for name in known]
    background = [float(scene.wide is None and scene.background == name) for name in COLOURS]
    return [*background, *objects("colour", COLOURS), *objects("shape", SHAPES), *objects("texture", TEXTURES), *[float(scene.wide == name) for name in WIDE]]


class NamerLoss:
    """Binary cross-entropy of the names of freshly drawn pictures."""

    def __init__(self, namer: nn.ModuleDict, device: torch.device, seed: int = 0) -> None:
        self.namer, self.device, self.rng = namer, device, np.random.default_rng(seed)

    def __call__(self, step: int, batch: int) -> Tensor:
        scenes = [random_scene(self.rng, two=0.25) for _ in range(batch)]
        images = torch.stack([render(scene).image for scene in scenes]).to(self.device)
        shown = torch.tensor([names(scene) for scene in scenes], device=self.device)
        return F.binary_cross_entropy_with_logits(self.namer["reader"](self.namer["vision"](prepare(images)).image_embeds), shown)
