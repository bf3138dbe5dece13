"""One row per technique: what the contract of every technique is tested with, in every host. A new technique adds its row here."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from concord.processors.attention.adain import feature_adain
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.schedule import Curve
from torch import Tensor

Setup = tuple[Any, list, list]  # MODEL, positive and negative CONDITIONING
Apply = Callable[[Setup], Setup]


class Kit(NamedTuple):
    """A host as the rows need it: its facade, and a small ControlNet that fits the model."""

    host: Any
    control_net: Callable[[], Any]

    def attached(self, *edits, lanes=None) -> Apply:
        return lambda setup: (self.host.attach(setup[0], *edits, lanes=lanes), *setup[1:])

    def controlled(self, strength: float, flip: bool = False, **choices) -> Apply:
        def apply(setup: Setup) -> Setup:
            image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(5))
            edit = ControlResiduals(strength=strength, **choices)
            return setup[0], *self.host.apply_control(*setup[1:], self.control_net(), image.flip(1) if flip else image, edit)

        return apply

    def prompted(self, pictures: int = 1, tokens: int = 4, **choices) -> Apply:
        """An image prompt through the model's own projections: tokens of `pictures`, and others for the negative."""
        return self.attached(*image_prompt(noise(7, pictures, tokens, 64), noise(8, 1, 4, 64), **choices))


@dataclass(frozen=True)
class Technique:
    """typical, other: two settings that do something; neutral: settings that do nothing; spares: the samples of a batch that stay as they are."""

    name: str
    typical: Apply
    other: Apply
    neutral: Apply
    spares: tuple[int, ...] = ()


def style_aligned_row(kit: Kit) -> Technique:
    return Technique(
        "StyleAligned", kit.attached(*style_aligned(), lanes=reference_lane()),
        kit.attached(*style_aligned(adain="", shift=0.5, window=(0.0, 0.7), group_norm=True), lanes=reference_lane()),
        kit.attached(*style_aligned(share=False, adain=""), lanes=reference_lane()), spares=(0,))


def multidiffusion_row(kit: Kit) -> Technique:
    return Technique("MultiDiffusion", kit.attached(*multidiffusion((8, 8), (4, 4))),
                     kit.attached(*multidiffusion((6, 8), (3, 2), "gaussian", (False, True), (0.0, 0.7))),
                     kit.attached(*multidiffusion((64, 64), (16, 16))))


def control_net_row(kit: Kit) -> Technique:
    return Technique("ApplyControlNet", kit.controlled(0.7, window=(0.0, 0.8)), kit.controlled(0.4, flip=True), kit.controlled(0.0))


def image_prompt_row(kit: Kit) -> Technique:
    other = dict(mask=torch.linspace(0.2, 1, 96).expand(2, 64, 96), curve=Curve.parse("0:1, 1:0.4"), value_scaling="K+mean(V) w/ C penalty", window=(0.0, 0.7))
    return Technique("DecoupledCrossAttn", kit.prompted(weight=0.8), kit.prompted(2, 6, weight=0.7, **other), kit.prompted(weight=0.0))


def feature_adain_row(kit: Kit) -> Technique:
    masks = dict(mask=torch.linspace(0.2, 1, 96).expand(2, 64, 96), reference_mask=torch.ones(64, 96).tril())
    return Technique("FeatureAdaIN", kit.attached(*feature_adain("values", strength=0.8), lanes=reference_lane()),
                     kit.attached(*feature_adain("output of both attentions", "mean", 0.7, (0.0, 0.7), **masks), lanes=reference_lane()),
                     kit.attached(*feature_adain(strength=0.0), lanes=reference_lane()), spares=(0,))


ROWS = (style_aligned_row, multidiffusion_row, control_net_row, image_prompt_row, feature_adain_row)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
