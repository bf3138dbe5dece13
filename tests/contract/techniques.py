"""One row per technique: what the contract of every technique is tested with. A new technique adds its row here."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.control_net import Control
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.schedule import Curve

from .. import sampling_models as networks

Setup = tuple[Model, list, list]  # model, positive, negative
Apply = Callable[[Setup], Setup]


@dataclass(frozen=True)
class Technique:
    """typical, other: two settings that do something; neutral: settings that do nothing; spares: the samples of a batch that stay as they are."""

    name: str
    typical: Apply
    other: Apply
    neutral: Apply
    spares: tuple[int, ...] = ()


def attached(*edits, lanes=None) -> Apply:
    return lambda setup: (host.attach(setup[0], *edits, lanes=lanes), *setup[1:])


def controlled(strength: float, flip: bool = False) -> Apply:
    def apply(setup: Setup) -> Setup:
        image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(5))
        edit = ControlResiduals(strength=strength, window=(0.0, 0.8))
        return setup[0], *host.apply_control(*setup[1:], control_net(), image.flip(1) if flip else image, edit)

    return apply


def prompted(pictures: int = 1, tokens: int = 4, **settings) -> Apply:
    """An image prompt through the model's own projections: tokens of `pictures`, and others for the negative."""
    return attached(*image_prompt(networks.noise(pictures, tokens, 64, seed=7), networks.noise(1, 4, 64, seed=8), **settings))


STYLE_ALIGNED = Technique(
    "StyleAligned", attached(*style_aligned(), lanes=reference_lane()),
    attached(*style_aligned(adain="", shift=0.5, window=(0.0, 0.7)), lanes=reference_lane()),
    attached(*style_aligned(share=False, adain=""), lanes=reference_lane()), spares=(0,))
MULTIDIFFUSION = Technique("MultiDiffusion", attached(*multidiffusion((8, 8), (4, 4))),
                           attached(*multidiffusion((6, 8), (3, 2), "gaussian", (False, True), (0.0, 0.7))),
                           attached(*multidiffusion((64, 64), (16, 16))))
CONTROL_NET = Technique("ApplyControlNet", controlled(0.7), controlled(0.4, flip=True), controlled(0.0))
IMAGE_PROMPT = Technique(
    "DecoupledCrossAttn", prompted(weight=0.8), prompted(2, 6, weight=0.7, mask=torch.linspace(0.2, 1, 96).expand(2, 64, 96), curve=Curve.parse("0:1, 1:0.4"),
                                                         value_scaling="K+mean(V) w/ C penalty", window=(0.0, 0.7)), prompted(weight=0.0))
TECHNIQUES = (STYLE_ALIGNED, MULTIDIFFUSION, CONTROL_NET, IMAGE_PROMPT)


@cache
def model() -> Model:
    return Model(networks.unet(), latent=LatentFormat(scale=1.0))


@cache
def control_net() -> Control:
    return Control(networks.control_net(model().network))


def plain() -> Setup:
    return model(), networks.text(1), networks.text(2)


def run(setup: Setup, samples: int = 2, canvas: tuple[int, int] = (8, 12), steps: int = 2, cfg: float = 3.0, **settings: Any) -> torch.Tensor:
    latent = {"samples": torch.zeros(samples, 4, *canvas)}
    out = sample(setup[0], 0, steps, cfg, settings.pop("sampler", "euler"), "normal", *setup[1:], latent, **settings)["samples"]
    assert torch.isfinite(out).all()
    return out


def split(setup: Setup) -> Setup:
    """The same with every entry in a call of its own, as when memory is short."""
    return replace(setup[0], rows_per_call=1), *setup[1:]


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference against the largest value."""
    return float((a - b).abs().max() / b.abs().max())
