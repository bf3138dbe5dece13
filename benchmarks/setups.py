"""What is measured: each technique as its node attaches it, on one, two, or a wide picture; the same in both hosts."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from concord.model_loaders.image_adapter import ImageAdapter
from concord.processors.attention.adain import feature_adain
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.masactrl import DECODER, masactrl
from concord.processors.attention.paint_with_words import paint_with_words
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt
from concord.processors.attention.region_prompts import region_prompts
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.edit import Edit
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.latents.bank import Bank
from concord.processors.latents.follow import follow_bank
from concord.processors.latents.guidance.backward import backward_guidance
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.regions import Region
from concord.processors.rows import Lanes
from concord.processors.words import positions

from .sizes import Size, adapter, noise

SOURCE, TARGET = "a red striped circle on a blue background", "a green striped circle on a blue background"
PAIR = Lanes(((0, "source", 0), (1, "target", 0)))
SIGMAS = (*torch.linspace(9, 2, 256).tolist(), 0.0)  # every call is a step of this run; all techniques act in all of them
WIDER = 1.5  # a wide picture has so many times the width
Asked = tuple[Any, list, list]  # MODEL, positive and negative CONDITIONING


@dataclass
class Kit:
    """What setups are made of, in one host at one size."""

    host: Any  # its facade
    size: Size
    model: Any  # MODEL
    clip: Any  # the practice model's, which reads prompts as all do
    control_net: Callable[[], Any] | None = None
    refused: list[str] = field(default_factory=list)  # setups that could not be run, and why

    def asked(self, images: int) -> Asked:
        """The bare model, and a prompt of its own for each picture."""
        return self.model, self.text(1, images), self.text(2, images)

    def text(self, seed: int, images: int = 1) -> list:
        return [[noise(seed, images, 77, self.size.context), {"pooled_output": noise(seed, 1, 1280)}]]

    @cached_property
    def control(self) -> Any:
        return self.control_net() if self.control_net else None

    @cached_property
    def adapter(self) -> ImageAdapter:
        """The same weights serve any number of tokens."""
        return self.host.practice_adapter() if self.size.unet is None else adapter(self.size, 4)

    def picture(self, tokens: int, seed: int = 7, **where: Any) -> tuple[Edit, ...]:
        """An image prompt through the adapter's own projections, and what stands for none beside the negative."""
        return image_prompt(noise(seed, 1, tokens, self.size.context), noise(seed + 1, 1, tokens, self.size.context), self.adapter, **where)

    def words(self, text: str) -> Any:
        return self.host.read_prompt(self.clip, text)

    def aims(self) -> tuple[tuple[Region, tuple[int, ...]], ...]:
        said = self.words(SOURCE)
        return (LEFT, positions(said, "circle")), (RIGHT, positions(said, "background"))


LEFT, RIGHT = Region(box=(0.0, 0.0, 0.5, 1.0)), Region(box=(0.4, 0.2, 1.0, 1.0), strength=0.8)


@dataclass(frozen=True)
class Setup:
    """A technique on a number of pictures. `adapters`: how many image adapters it has, whose memory is told."""

    name: str
    apply: Callable[[Kit, Asked], Asked]
    images: int = 1
    wide: bool = False
    adapters: int = 0
    looks: int = 0  # further evaluations of the network in a call, with gradients
    idle: bool = False  # does nothing in any of the measured calls

    @property
    def group(self) -> tuple[int, bool]:
        """What is measured in turns has the same bare model beside it."""
        return self.images, self.wide

    def fits(self, kit: Kit) -> bool:
        return self.name != "ApplyControlNet" or kit.control_net is not None


def attached(edits: Callable[[Kit], tuple[Edit, ...]], lanes: Lanes | None = None) -> Callable[[Kit, Asked], Asked]:
    return lambda kit, asked: (kit.host.attach(asked[0], *edits(kit), lanes=lanes), *asked[1:])


def controlled(kit: Kit, asked: Asked) -> Asked:
    hint = torch.zeros(1, kit.size.pixels, kit.size.pixels, 3)
    hint[:, :, ::16] = 1
    return asked[0], *kit.host.apply_control(*asked[1:], kit.control, hint, ControlResiduals(strength=0.8))


def replaced(kit: Kit) -> tuple[Edit, ...]:
    """Layout is taken over in layers of at most 256 tokens, as in the authors' code."""
    return prompt_to_prompt(kit.words(SOURCE), [kit.words(TARGET)], "replace", cross="default:0-1", layout=(0.0, 1.0), fraction=256 / kit.size.cells**2)


def mutual(kit: Kit) -> tuple[Edit, ...]:
    return masactrl(window=(0.0, 1.0), layers=DECODER[70 if kit.size.sdxl else 16])


def regional(kit: Kit) -> tuple[Edit, ...]:
    told = [noise(seed, 1, 77, kit.size.context) for seed in (5, 6)]
    return region_prompts((LEFT, RIGHT), told)


def backward(kit: Kit) -> tuple[Edit, ...]:
    """One look in every step; a step so small that random weights bear it."""
    return backward_guidance(kit.aims(), 1e-3, (0.0, 1.0), 1, 0.0)


def replayed(kit: Kit) -> tuple[Edit, ...]:
    cells = kit.size.cells
    return follow_bank(Bank(noise(11, len(SIGMAS), 1, 4, cells, cells), SIGMAS), frozenset({"source"}))


def windows(kit: Kit) -> tuple[Edit, ...]:
    """Windows of the model's own size that overlap by half."""
    return multidiffusion((kit.size.cells,) * 2, (kit.size.cells // 2,) * 2)


def five(kit: Kit) -> tuple[Edit, ...]:
    return (*kit.picture(4), *style_aligned(), *feature_adain(), *regional(kit), *paint_with_words(kit.aims()))


SETUPS = (
    Setup("empty program", attached(lambda kit: kit.picture(4, weight=0.0)), idle=True),
    Setup("resting program", attached(lambda kit: kit.picture(4, window=(0.99, 1.0))), idle=True),
    Setup("ApplyControlNet", controlled),
    Setup("DecoupledCrossAttn, 4 tokens", attached(lambda kit: kit.picture(4)), adapters=1),
    Setup("DecoupledCrossAttn, 16 tokens", attached(lambda kit: kit.picture(16)), adapters=1),
    Setup("DecoupledCrossAttn, two of 4 tokens", attached(lambda kit: (*kit.picture(4), *kit.picture(4, seed=20))), adapters=2),
    Setup("RegionGuidance, region prompts", attached(regional)),
    Setup("RegionGuidance, paint with words", attached(lambda kit: paint_with_words(kit.aims()))),
    Setup("RegionGuidance, backward, one look", attached(backward), looks=1),
    Setup("StyleAligned", attached(lambda kit: style_aligned(), reference_lane()), images=2),
    Setup("FeatureAdaIN", attached(lambda kit: feature_adain(), reference_lane()), images=2),
    Setup("PromptToPrompt, replace", attached(replaced, PAIR), images=2),
    Setup("MasaCtrl", attached(mutual, PAIR), images=2),
    Setup("DDIM inversion, replayed", attached(replayed, PAIR), images=2),
    Setup("a chain of five", attached(five, reference_lane()), images=2, adapters=1),
    Setup("MultiDiffusion", attached(windows), wide=True),
)
