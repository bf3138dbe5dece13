"""How much each block of the network hears of a control: numbers from text, and the published soft weights."""
from __future__ import annotations

import re
from math import isfinite

from ..errors import ConcordError

SOFT = 0.825  # each block hears this much of what the next deeper one hears
SOFT_MAPS = (0.25, 0.62, 0.825, 1.0)  # of an adapter's four maps


def parse_weights(text: str) -> tuple[float, ...]:
    """"0, 0.5, 1" -> (0.0, 0.5, 1.0): one number a block, divided by commas, spaces or lines; an empty text -> (): 1 everywhere."""
    try:
        weights = tuple(float(number) for number in re.split(r"[,;\s]+", text) if number)
    except ValueError:
        weights = (float("nan"),)
    if not all(isfinite(weight) for weight in weights):
        raise ConcordError(f"block_weights {text.strip()!r} are not all numbers; write one for each block, with commas between: "
                           f"{how_many(12)}, or {how_many(9)}")
    return weights


def check_count(weights: tuple[float, ...], blocks: int) -> None:
    """blocks: those on the way down; the middle has a weight of its own."""
    if weights and len(weights) != blocks + 1:
        raise ConcordError(f"block_weights has {len(weights)} numbers, but this model takes {how_many(blocks)}")


def how_many(blocks: int) -> str:
    kind = {12: "13 for Stable Diffusion 1.x (12 skips", 9: "10 for SDXL (9 skips"}.get(blocks, f"{blocks + 1} ({blocks} skips")
    return f"{kind}, the first block first, then the middle)"


def soft_weights(blocks: int, maps: tuple[int, ...] = ()) -> dict[int, float]:
    """The weights of ControlNet's guess mode, 0.825^12 ... 0.825, 1 (Zhang et al., the authors' code): details, which the first blocks carry, are
    suppressed most. `maps`: the blocks at which an adapter's four maps enter, which have weights of their own (the WebUI's)."""
    if len(maps) == len(SOFT_MAPS):
        return dict(zip(maps, SOFT_MAPS, strict=True))
    return {block: SOFT ** (blocks - block) for block in range(blocks + 1)}
