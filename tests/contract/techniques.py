"""The rows in the headless host: small networks, runs, and how to compare them."""
from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.control_net import Control
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample

from .. import sampling_models as networks
from .technique_rows import ROWS, Kit, Setup, Technique, compatible


@cache
def model() -> Model:
    return Model(networks.unet(), latent=LatentFormat(scale=1.0))


@cache
def control_net() -> Control:
    return Control(networks.control_net(model().network))


KIT = Kit(host, lambda: control_net())
TECHNIQUES = tuple(row(KIT) for row in ROWS)
STYLE_ALIGNED, MULTIDIFFUSION = TECHNIQUES[:2]
TOGETHER = compatible(TECHNIQUES)
COSTLY = [technique for technique in TECHNIQUES if technique.costly]  # alike in what they ask of the network: tests of all but the first are slow


def plain() -> Setup:
    return model(), networks.text(1), networks.text(2)


def run(setup: Setup, samples: int = 2, canvas: tuple[int, int] = (8, 12), steps: int = 2, cfg: float = 3.0, **settings: Any) -> torch.Tensor:
    latent = {"samples": torch.zeros(samples, 4, *canvas)}
    out = sample(setup[0], 0, steps, cfg, settings.pop("sampler", "euler"), "normal", *setup[1:], latent, **settings)["samples"]
    assert torch.isfinite(out).all()
    return out


def enough(technique: Technique, samples: int = 2) -> int:
    """A batch that has all lanes."""
    return max(samples, technique.pictures)


def split(setup: Setup) -> Setup:
    """The same with every entry in a call of its own, as when memory is short."""
    return replace(setup[0], rows_per_call=1), *setup[1:]


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference against the largest value."""
    return float((a - b).abs().max() / b.abs().max())
