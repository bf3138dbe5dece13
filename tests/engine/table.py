"""The table of techniques: each as edits for the engine and as rules for the naive truth. A new technique adds a row."""
from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from concord.processors.attention.style_aligned import style_aligned
from concord.processors.edit import Edit, Program
from concord.processors.rows import Row
from concord.tests.engine import rules_cross, rules_self
from concord.tests.engine.edits_copy import CopyMaps
from concord.tests.engine.edits_cross import ImagePrompt, PaintWithWords, RegionPrompts, Reweight
from concord.tests.engine.edits_self import FrameAttention, MixedAttention, MutualAttention, Sharpen, StyleInjection
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
FADE[1, 3:5], FADE[2] = 0, 0
NEW_WORD = torch.ones(STEPS, TOKENS, dtype=torch.float64)
NEW_WORD[:, 3] = 0
LOUD = torch.tensor([1, 1, 3, 1, -0.5, 1, 1], dtype=torch.float64)
IMAGE = {"positive": noise(1, 4, CHANNELS), "negative": torch.zeros(4, CHANNELS, dtype=torch.float64)}
TEXTS = (noise(2, 5, CHANNELS), noise(3, TOKENS, CHANNELS))
MAPS = torch.stack([LEFT * (i == 2) + TOP * (i == 4) for i in range(TOKENS)])


def projections(seed: int) -> tuple[tuple[Tensor, Tensor], ...]:
    return tuple((noise(seed + i, CHANNELS, CHANNELS) / 4, noise(seed + 50 + i, CHANNELS, CHANNELS) / 4) for i in range(2))


class Technique(NamedTuple):
    edits: tuple[Edit, ...]
    rules: tuple[Rule, ...]
    lonely: bool = False  # whether it does something for a single plain image


TABLE = {
    "style": Technique(style_aligned(shift=0.7, scale=0.9), rules_self.style_aligned(0.7, 0.9)),
    "masactrl": Technique((MutualAttention(),), rules_self.masactrl()),
    "masked": Technique((MutualAttention(source_mask=LEFT, target_mask=TOP),), rules_self.masactrl(LEFT, TOP)),
    "styleid": Technique((StyleInjection(),), rules_self.style_id(0.75, 1.5)),
    "frames": Technique((FrameAttention(),), rules_self.frames()),
    "mixed": Technique((MixedAttention(),), rules_self.infinite_id()),
    "selfcopy": Technique((CopyMaps(on="self"),), rules_cross.copies("self")),
    "replace": Technique((CopyMaps(mapping=SWAP, alpha=FADE),), rules_cross.copies("cross", SWAP, FADE)),
    "refine": Technique((CopyMaps(mapping=INSERT, alpha=NEW_WORD),), rules_cross.copies("cross", INSERT, NEW_WORD)),
    "reweight": Technique((Reweight(weights=LOUD),), rules_cross.reweight(LOUD)),
    "regions": Technique((RegionPrompts(texts=TEXTS, masks=(LEFT, RIGHT)),), rules_cross.regions(TEXTS, (LEFT, RIGHT)), lonely=True),
    "paint": Technique((PaintWithWords(maps=MAPS, strength=0.4),), rules_cross.paint(MAPS, 0.4), lonely=True),
    "sharpen": Technique((Sharpen(by=1.25),), rules_self.sharpen(1.25), lonely=True),
    "adapter": Technique((ImagePrompt(tokens=IMAGE, weights=projections(10), weight=0.8, mask=LEFT),),
                         rules_cross.adapter(IMAGE, projections(10), 0.8, LEFT), lonely=True),
    "adapter2": Technique((ImagePrompt(tokens=IMAGE, weights=projections(20), weight=0.3),), rules_cross.adapter(IMAGE, projections(20), 0.3), lonely=True),
}
CLASHES = [{"masactrl", "masked"}, {"masactrl", "styleid"}, {"masked", "styleid"}, {"selfcopy", "masactrl"}, {"selfcopy", "masked"}, {"selfcopy", "styleid"},
           {"replace", "refine"}]
EVERYTHING = ("style", "frames", "mixed", "selfcopy", "replace", "reweight", "regions", "paint", "adapter", "adapter2")


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
