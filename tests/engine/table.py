"""The table of techniques: each as edits for the engine and as rules for the naive truth. A new technique adds a row."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from concord.processors.attention.adain import feature_adain
from concord.processors.attention.decoupled import DecoupledTokens
from concord.processors.attention.forward_guidance import forward_guidance
from concord.processors.attention.masactrl import masactrl
from concord.processors.attention.paint_with_words import paint_with_words
from concord.processors.attention.prompt_to_prompt import CopyLayout, CopyWords, WeighWords
from concord.processors.attention.region_prompts import region_prompts
from concord.processors.attention.style_aligned import style_aligned
from concord.processors.edit import Edit, Program
from concord.processors.regions import Region
from concord.processors.rows import Row
from concord.tests.engine import rules_cross, rules_self
from concord.tests.engine.edits_self import FrameAttention, MixedAttention, Sharpen, StyleInjection
from concord.tests.engine.toy import CHANNELS, GRID, STEPS, TOKENS, Toy, canvas, lanes, noise, prompts, step_of
from concord.tests.engine.truth import Rule, naive
from torch import Tensor


def block(y: slice, x: slice, value: float = 1.0) -> Tensor:
    """A mask on a canvas of twice the token grid."""
    mask = torch.zeros(2 * GRID[0], 2 * GRID[1], dtype=torch.float64)
    mask[y, x] = value  # values that float32 holds exactly, because masks are resized in float32
    return mask


LEFT, TOP, RIGHT = block(slice(None), slice(0, 5)), block(slice(0, 4), slice(None)), block(slice(None), slice(7, None), 0.75)
SWAP = torch.eye(TOKENS, dtype=torch.float64)[[0, 1, 3, 2, 4, 5, 6]]
INSERT = torch.eye(TOKENS, dtype=torch.float64)[:, [0, 1, 2, 2, 3, 4, 5]]  # a word came in at 3
FADE = torch.ones(STEPS, TOKENS, dtype=torch.float64)
FADE[1, 3:5], FADE[2:] = 0, 0
ALWAYS, FADING = ((0.0, 1.0),) * TOKENS, tuple((0.0, 0.25 if i in (3, 4) else 0.5) for i in range(TOKENS))
NEW_WORD = torch.ones(STEPS, TOKENS, dtype=torch.float64)
NEW_WORD[:, 3] = 0
LOUD = torch.tensor([1, 1, 3, 1, -0.5, 1, 1], dtype=torch.float64)
MAPS = torch.stack([LEFT * (i == 2) + TOP * (i == 4) for i in range(TOKENS)])
PAINTED = ((Region(mask=LEFT), (2,)), (Region(mask=TOP), (4,)))  # the same, as regions
MOVED = ((LEFT, (2,)), (RIGHT, (4, 5)))


class Technique(NamedTuple):
    edits: tuple[Edit, ...]
    rules: tuple[Rule, ...]
    lonely: bool = False  # whether it does something for a single plain image


def image(text: int, seed: int = 1) -> dict[str, Tensor]:
    """The tokens of an image prompt."""
    return {"positive": noise(seed, 4, text), "negative": torch.zeros(4, text, dtype=torch.float64)}


def picture_prompt(tokens: dict[str, Tensor], weight: float, mask: Tensor | None = None) -> tuple[Edit, ...]:
    """Read with the model's own projections."""
    positive, negative = (tokens[branch][None] for branch in ("positive", "negative"))
    return (DecoupledTokens(tokens=positive, negative=negative, weight=weight, mask=None if mask is None else mask[None]),)


def texts(text: int) -> tuple[Tensor, Tensor]:
    """Two regions' own prompts."""
    return noise(2, 5, text), noise(3, TOKENS, text)


def couple(said: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Edit, ...]:
    """Every region reads its own text; the prompt keeps what no region claims."""
    return region_prompts([Region(mask=mask) for mask in masks], [text[None] for text in said], base_ratio=0.0)


def table(text: int) -> dict[str, Technique]:
    """For a network whose prompts have `text` channels."""
    said, seen, other = texts(text), image(text), image(text, 4)
    return {
        "style": Technique(style_aligned(shift=0.7, scale=0.9), rules_self.style_aligned(0.7, 0.9)),
        "adain": Technique(feature_adain("values", strength=0.75), rules_self.adain(0.75)),
        "masactrl": Technique(masactrl("plain", (0.0, 1.0), None), rules_self.masactrl()),
        "union": Technique(masactrl("union", (0.0, 1.0), None), rules_self.union()),
        "masked": Technique(masactrl("masks", (0.0, 1.0), None, masks=(LEFT, TOP)), rules_self.masactrl(LEFT, TOP)),
        "styleid": Technique((StyleInjection(),), rules_self.style_id(0.75, 1.5)),
        "frames": Technique((FrameAttention(),), rules_self.frames()),
        "mixed": Technique((MixedAttention(),), rules_self.infinite_id()),
        "selfcopy": Technique((CopyLayout(fraction=1.0),), rules_cross.copies("self")),
        "replace": Technique((CopyWords(table=SWAP, windows=FADING),), rules_cross.copies("cross", SWAP, FADE)),
        "refine": Technique((CopyWords(table=INSERT, there=NEW_WORD[0], windows=ALWAYS),), rules_cross.copies("cross", INSERT, NEW_WORD)),
        "reweight": Technique((WeighWords(weights=tuple(LOUD.tolist()), windows=ALWAYS),), rules_cross.reweight(LOUD)),
        "regions": Technique(couple(said, (LEFT, RIGHT)), rules_cross.regions(said, (LEFT, RIGHT)), lonely=True),
        "paint": Technique(paint_with_words(PAINTED, law="0.4 log(1 + sigma) max"), rules_cross.paint(MAPS, 0.4), lonely=True),
        "forward": Technique(forward_guidance([(Region(mask=mask), tokens) for mask, tokens in MOVED], window=(0.0, 1.0), start=(0,), end=(6,)),
                             rules_cross.forward(MOVED, (0,), (6,)), lonely=True),
        "sharpen": Technique((Sharpen(by=1.25),), rules_self.sharpen(1.25), lonely=True),
        "adapter": Technique(picture_prompt(seen, 0.8, LEFT), rules_cross.adapter(seen, 0.8, LEFT), lonely=True),
        "adapter2": Technique(picture_prompt(other, 0.3), rules_cross.adapter(other, 0.3), lonely=True),
    }


TABLE = table(CHANNELS)
TEXTS, IMAGE = texts(CHANNELS), image(CHANNELS)
CLASHES = [{"masactrl", "masked"}, {"masactrl", "styleid"}, {"masked", "styleid"}, {"selfcopy", "masactrl"}, {"selfcopy", "masked"}, {"selfcopy", "styleid"},
           {"replace", "refine"}]
EVERYTHING = ("style", "adain", "frames", "mixed", "selfcopy", "replace", "reweight", "regions", "paint", "adapter", "adapter2", "forward")


def composes(names: Iterable[str]) -> bool:
    return not any(clash <= set(names) for clash in CLASHES)


def edits(names: Iterable[str]) -> tuple[Edit, ...]:
    return tuple(edit for name in names for edit in TABLE[name].edits)


def program(names: Iterable[str], samples: int) -> Program:
    return Program.of(edits(names), lanes(samples))


def truth(names: Iterable[str], rows: tuple[Row, ...], number: int = 1) -> Tensor:
    """What the toy makes of these rows when every probability matrix is written out, [R, N, C]."""
    rules = [rule for name in names for rule in TABLE[name].rules]
    return Toy()(canvas(rows), prompts(rows), naive(rules, step_of(rows, number=number)))
