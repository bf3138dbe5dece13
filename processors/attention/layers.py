"""The cross-attentions of Stable Diffusion 1.x and XL: their numbers in published files, and the transformer blocks that hold them, by number and by name.

Transformer blocks are counted in execution order: 0..5 down, 6 mid, 7..15 up in Stable Diffusion 1.x; 0..3, 4, 5..10 in XL.
"""
from __future__ import annotations

from collections.abc import Mapping

from ..errors import ConcordError
from ..pieces import pieces

# By the count of cross-attentions: 16 of Stable Diffusion 1.x, 70 of XL.
SITES = {16: (1,) * 16, 70: (2, 2, 10, 10, 10, 10, 10, 10, 2, 2, 2)}  # cross-attentions of each transformer block
DOWN = {16: 6, 70: 4}  # blocks before the middle one
FIRST = {16: ((0, 2), (1, 3)), 70: ((1, 2), (0, 3))}  # the first down and up block that has attention, and how many transformer blocks each has

Factors = Mapping[int, float]  # of transformer blocks; those not named have none


def published_number(index: int, count: int) -> int:
    """A site's place in published files, which number down, up, mid; ours count in execution order: down, mid, up."""
    sites = SITES[count]
    down, mid, up = sum(sites[: DOWN[count]]), sites[DOWN[count]], sum(sites[DOWN[count] + 1 :])
    return index if index < down else index + up if index < down + mid else index - mid


def stage(block: int, count: int) -> str:
    return "down" if block < DOWN[count] else "mid" if block == DOWN[count] else "up"


def on_sites(factors: Factors, count: int) -> tuple[float, ...]:
    """Factors of transformer blocks -> one for each cross-attention, in execution order; blocks not named: 0."""
    return tuple(factors.get(t, 0.0) for t, sites in enumerate(SITES[count]) for _ in range(sites))


def block_names(count: int) -> tuple[str, ...]:
    """diffusers' names of the blocks, in execution order: "up_blocks.0.attentions.1" carries XL's style, "down_blocks.2.attentions.1" its layout."""
    (down, each_down), (up, each_up) = FIRST[count]
    ups = len(SITES[count]) - DOWN[count] - 1
    return (*(f"down_blocks.{down + i // each_down}.attentions.{i % each_down}" for i in range(DOWN[count])), "mid_block.attentions.0",
            *(f"up_blocks.{up + i // each_up}.attentions.{i % each_up}" for i in range(ups)))


def parse_layers(text: str, count: int) -> dict[int, float]:
    """"3:0.5, 6:1" -> {3: 0.5, 6: 1.0}: transformer blocks and the factor of the weight in each; all others have none.

    A block may be named as diffusers does, too: "up_blocks.0.attentions.1:1", or "down_blocks.2:1" for all that it holds, "mid_block:0.5".
    """
    names = block_names(count)
    found: dict[int, float] = {}
    for piece in pieces(text):
        name, _, factor = piece.rpartition(":")
        name = name.strip()
        blocks = [t for t, full in enumerate(names) if name in (str(t), full) or (name and full.startswith(f"{name}."))]
        try:
            value = float(factor)
        except ValueError:
            value = float("nan")
        if not blocks or not abs(value) < float("inf"):
            raise ConcordError(f"{piece!r} in the layer weights {' '.join(text.split())!r} is not understood; write the number of a transformer block "
                               f"(0 to {len(names) - 1} in this model) or its name ({names[0]}), a colon and a factor, with commas between: "
                               f"3:0.5, {len(names) - 1}:1")
        found |= dict.fromkeys(blocks, value)
    return found
