"""One row per technique: what the contract of every technique is tested with, in every host. A new technique adds its row here."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from concord.processors.attention.adain import feature_adain
from concord.processors.attention.forward_guidance import forward_guidance
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.masactrl import masactrl
from concord.processors.attention.paint_with_words import paint_with_words
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt
from concord.processors.attention.region_prompts import region_prompts
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.conditions.bootstrapping import bootstrapping, random_latents
from concord.processors.conditions.own_negative import NegativeTexts, OwnNegative
from concord.processors.conditions.region_branches import Told, dressed, with_regions
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.latents.bank import Bank
from concord.processors.latents.follow import follow_bank
from concord.processors.latents.guidance.attend_and_excite import attend_and_excite
from concord.processors.latents.guidance.backward import backward_guidance
from concord.processors.latents.guidance.box_diff import box_diff
from concord.processors.latents.local_blend import local_blend
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.regions import Region
from concord.processors.rows import Lanes
from concord.processors.schedule import Curve
from concord.processors.words import BEGIN, CHUNK, END, Prompt, read
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
    """typical, other: two settings that do something; neutral: settings that do nothing; spares: the samples of a batch that stay as they are;
    pictures: the smallest batch that has its lanes; chunk: its words are those of a prompt of one chunk, and longer ones are refused;
    clashes: techniques that want the same rows otherwise, which is refused; costly: it asks the network many times a step."""

    name: str
    typical: Apply
    other: Apply
    neutral: Apply
    spares: tuple[int, ...] = ()
    pictures: int = 1
    chunk: bool = False
    clashes: frozenset[str] = frozenset()
    costly: bool = False


PAIR = Lanes(((1, "source", 0), (2, "target", 0)))  # beside StyleAligned's reference, image 0


def style_aligned_row(kit: Kit) -> Technique:
    return Technique(
        "StyleAligned", kit.attached(*style_aligned(), lanes=reference_lane()),
        kit.attached(*style_aligned(adain="", shift=0.5, window=(0.0, 0.7), group_norm=True), lanes=reference_lane()),
        kit.attached(*style_aligned(share=False, adain=""), lanes=reference_lane()), spares=(0,))


def multidiffusion_row(kit: Kit) -> Technique:
    return Technique("MultiDiffusion", kit.attached(*multidiffusion((8, 8), (4, 4))),
                     kit.attached(*multidiffusion((6, 8), (3, 2), "gaussian", (False, True), (0.0, 0.7))),
                     kit.attached(*multidiffusion((64, 64), (16, 16))))


def multidiffusion_regions_row(kit: Kit) -> Technique:
    def drawn(until: float, seed: int, *strengths: float) -> Apply:
        def apply(setup: Setup) -> Setup:
            model, positive, negative = setup
            conditioning = lambda seed, like: dressed([[noise(seed, 1, 77, 64), {"pooled_output": noise(seed, 1, 1280)}]], like)
            told = [Told(region.cover((64, 96)) * strength, conditioning(seed + n, positive), None if n else conditioning(seed + 5, negative), f"{seed}/{n}")
                    for n, (region, strength) in enumerate(zip(regions_of_two(), strengths, strict=True)) if strength]
            edits = bootstrapping([one.mark for one in told], [one.mask for one in told], random_latents(seed), until, seed)
            return kit.host.attach(model, *edits), *with_regions(positive, negative, told)

        return apply

    return Technique("MultiDiffusion Regions", drawn(0.6, 40, 1.0, 0.7), drawn(1.0, 50, 0.5, 1.0), drawn(0.6, 40, 0.0, 0.0))


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


def prompt_to_prompt_row(kit: Kit) -> Technique:
    def change(target: str, mode: str, **how) -> Apply:
        words = prompt_to_prompt(said("a red cat on a hill"), [said(target)], mode, fraction=1.0, **how)
        moved = [replace(edit, samples=frozenset({2})) if hasattr(edit, "samples") else edit for edit in words]
        return kit.attached(*moved, lanes=PAIR)

    return Technique("PromptToPrompt", change("a red dog on a hill", "replace"),
                     change("a fluffy red cat on a hill", "refine", cross="default:0-0.6", layout=(0.0, 0.5), weights="fluffy:2"),
                     change("a red dog on a hill", "replace", cross="default:0-0", layout=(0.0, 0.0)),
                     spares=(0, 1), pictures=3, chunk=True, clashes=frozenset({"MasaCtrl"}))


def masactrl_row(kit: Kit) -> Technique:
    masks = torch.ones(64, 96).tril(), torch.ones(64, 96).triu()
    return Technique("MasaCtrl", kit.attached(*masactrl("plain", (0.0, 1.0), None), lanes=PAIR),
                     kit.attached(*masactrl("masks", (0.0, 0.7), frozenset({1, 2}), masks=masks), lanes=PAIR),
                     kit.attached(*masactrl("plain", (1.0, 1.0), None), lanes=PAIR),
                     spares=(0, 1), pictures=3, clashes=frozenset({"PromptToPrompt"}))


def local_blend_row(kit: Kit) -> Technique:
    blend = lambda stays: kit.attached(*local_blend(((2, 3), (4,)), ((5,), (6,)), 0.9, stays, start=0.0, count=0), lanes=PAIR)
    return Technique("LocalBlend", blend(0.99), blend(0.5), kit.attached(*local_blend(()), lanes=PAIR), spares=(0, 1), pictures=3)


def bank_row(kit: Kit) -> Technique:
    follow = lambda seed, hold, window: kit.attached(*follow_bank(EndlessBank(seed), frozenset({"source"}), hold, window), lanes=PAIR)
    return Technique("DDIM inversion", follow(11, 0.0, (0.0, 1.0)), follow(12, 0.3, (0.0, 0.7)), follow(11, 0.0, (2.0, 2.0)), spares=(0, 2), pictures=3)


def null_text_row(kit: Kit) -> Technique:
    hear = lambda seed, lanes: kit.attached(OwnNegative(texts=NegativeTexts(noise(seed, 1, 1, 77, 64)), lanes=lanes), lanes=PAIR)
    return Technique("Null-text", hear(13, None), hear(14, frozenset({"plain", "reference", "source", "target"})), hear(13, frozenset()), pictures=3)


def region_prompts_row(kit: Kit) -> Technique:
    regions, own = regions_of_two(), [noise(seed, 1, tokens, 64) for seed, tokens in ((15, 77), (16, 154))]
    fading = replace(regions[0], curve=Curve.parse("0:1, 1:0.2"))
    return Technique("Region prompts", kit.attached(*region_prompts(regions, own)),
                     kit.attached(*region_prompts((fading, regions[1]), own, (noise(17, 1, 77, 64), None), 0.8, 0.0, (0.0, 0.7))),
                     kit.attached(*region_prompts(regions, own, strength=0.0)))


def paint_with_words_row(kit: Kit) -> Technique:
    aims = list(zip(regions_of_two(), ((2, 3), (5,)), strict=True))
    return Technique("Paint with words", kit.attached(*paint_with_words(aims, 3.0)),
                     kit.attached(*paint_with_words(aims, 2.0, "0.4 log(1 + sigma^2) std", "head", 0.5, (0.0, 0.7))),
                     kit.attached(*paint_with_words(aims, 0.0)))


def forward_guidance_row(kit: Kit) -> Technique:
    aims = list(zip(regions_of_two(), ((2, 3), (5,)), strict=True))
    return Technique("Forward guidance", kit.attached(*forward_guidance(aims, window=(0.0, 1.0), start=(0,), end=tuple(range(7, 77)))),
                     kit.attached(*forward_guidance(aims, 0.6, (0.0, 0.7), frozenset({1, 2}))),
                     kit.attached(*forward_guidance(aims, 0.0)))


def backward_guidance_row(kit: Kit) -> Technique:
    aims = list(zip(regions_of_two(), ((2, 3), (5,)), strict=True))
    return Technique("Backward guidance", kit.attached(*backward_guidance(aims, 0.1, (0.0, 0.7), 2)),
                     kit.attached(*backward_guidance(aims[:1], 0.2, (0.0, 0.7), 1, 0.0, frozenset({1, 2}), tuple(range(7, 77)))),
                     kit.attached(*backward_guidance(aims, 0.0)), costly=True)


def box_diff_row(kit: Kit) -> Technique:
    aims = list(zip(regions_of_two(), ((2, 3), (5,)), strict=True))
    return Technique("BoxDiff", kit.attached(*box_diff(aims, iterations=1, thresholds=((0.0, 0.9),))),
                     kit.attached(*box_diff(aims[1:], 0.7, window=(0.0, 0.7), thresholds=(), layers=frozenset({1, 2}))),
                     kit.attached(*box_diff(aims, 0.0)), costly=True)


def attend_and_excite_row(kit: Kit) -> Technique:
    aims = list(zip(regions_of_two(), ((2, 3), (5,)), strict=True))
    return Technique("Attend-and-Excite", kit.attached(*attend_and_excite(aims, iterations=1, thresholds=((0.0, 0.9),))),
                     kit.attached(*attend_and_excite(aims[1:], 0.7, window=(0.0, 0.7), thresholds=(), layers=frozenset({1, 2}))),
                     kit.attached(*attend_and_excite(aims, 0.0)), costly=True)


def regions_of_two() -> tuple[Region, Region]:
    return Region(box=(0.0, 0.1, 0.6, 0.8)), Region(polygon=((0.5, 0.0), (1.2, 0.4), (0.4, 0.9)), strength=0.8)


ROWS = (style_aligned_row, multidiffusion_row, control_net_row, image_prompt_row, feature_adain_row, prompt_to_prompt_row, masactrl_row, local_blend_row,
        bank_row, null_text_row, region_prompts_row, paint_with_words_row, forward_guidance_row,
        multidiffusion_regions_row, backward_guidance_row, box_diff_row, attend_and_excite_row)


class EndlessBank(Bank):
    """A trajectory at every noise level and at every size: a picture that never changes, and its noise."""

    def __init__(self, seed: int) -> None:
        super().__init__(noise(seed, 2, 1, 4, 64, 64), (20.0, 0.0))

    def check(self, x: Tensor, run: Any) -> None:
        object.__setattr__(self, "size", tuple(x.shape[-2:]))

    def held(self, sigma: float, hold: float) -> Tensor:
        picture, start = self.latents[..., : self.size[0], : self.size[1]]
        return picture + max(sigma, hold) * start


def said(text: str) -> Prompt:
    """A prompt of one chunk, every word a token."""
    words = text.split()
    tokens = [(BEGIN, "", 1.0), *((1000 + sum(map(ord, word)), f"{word}</w>", 1.0) for word in words), *[(END, "", 1.0)] * (CHUNK - 1 - len(words))]
    return read(tokens, text)


def compatible(techniques: Sequence[Technique]) -> tuple[Technique, ...]:
    """As many of them as go together, the first ones before the later ones."""
    chosen: list[Technique] = []
    for technique in techniques:
        if not any(technique.name in other.clashes for other in chosen):
            chosen.append(technique)
    return tuple(chosen)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
