"""What the practice model draws with a reference picture: for the help page of its image adapter."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..practice import model as practice
from ..practice.adapter import load_image_adapter, prepare
from ..practice.drawing import render
from ..practice.measure import Model
from ..practice.sampling import Sampler
from ..practice.world import Scene


@torch.no_grad()
def with_reference(scene: Scene, prompt: str, count: int) -> tuple[Tensor, Tensor]:
    """The reference [1, 3, 128, 128] and `count` pictures drawn with it, 0..1."""
    parts, vision, adapter = Model.load(), practice.load_vision(), load_image_adapter()
    reference = render(scene).image[None]
    seen = vision(prepare(reference)).image_embeds
    tokens = torch.cat([adapter.image_proj(seen).expand(count, -1, -1), adapter.image_proj(torch.zeros_like(seen)).expand(count, -1, -1)])
    unet = copy.deepcopy(parts.unet)
    adapter.attach(unet)
    denoise = lambda noisy, steps, states: unet(noisy, steps, torch.cat([states, tokens], 1)).sample
    return reference, parts.draw([prompt] * count, Sampler(20), lambda first, size: denoise)
