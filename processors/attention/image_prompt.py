"""Image prompts: a picture's tokens read by all layers, or by those that carry its style or its composition, as decoupled cross-attention.

The weight types carry the names that artists know from IPAdapter_plus. Which layers carry what: Wang et al., InstantStyle, arXiv 2404.02733, section 3.3.
Transformer blocks are counted in execution order: 0..5 down, 6 mid, 7..15 up in Stable Diffusion 1.x; 0..3, 4, 5..10 in XL.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..edit import AttentionEdit
from ..errors import ConcordError
from .decoupled import DecoupledTokens, Projections

SITES = {16: (1,) * 16, 70: (2, 2, 10, 10, 10, 10, 10, 10, 2, 2, 2)}  # cross-attentions of each transformer block
DOWN = {16: 6, 70: 4}  # blocks before the middle one
FIRST = {16: ((0, 2), (1, 3)), 70: ((1, 2), (0, 3))}  # the first down and up block that has attention, and how many transformer blocks each has

STYLE = {16: (0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15), 70: (6,)}
COMPOSITION = {16: {4: 0.25, 5: 1.0}, 70: {3: 1.0}}
ELSEWHERE = {16: {**dict.fromkeys(range(16), 1.0), 6: 0.1, 7: 0.1, 8: 0.1}, 70: {**dict.fromkeys(range(11), 0.1), 6: 1.0}}  # what a precise composition avoids
FLOOR, WEAK = 0.05, 0.2

Factors = Mapping[int, float]  # of transformer blocks; those not named have none


def ease(way: Callable[[float], float]) -> Callable[[int], dict[int, float]]:
    """Of 0 at the first block, and 1 where one after the last would be, `way` makes 0..1; a block keeps at least a twentieth."""
    return lambda count: {t: FLOOR + (1 - FLOOR) * way(t / len(SITES[count])) for t in range(len(SITES[count]))}


def weak(*stages: str) -> Callable[[int], dict[int, float]]:
    return lambda count: {t: WEAK if stage(t, count) in stages else 1.0 for t in range(len(SITES[count]))}


def stage(block: int, count: int) -> str:
    return "down" if block < DOWN[count] else "mid" if block == DOWN[count] else "up"


def style(count: int) -> dict[int, float]:
    return dict.fromkeys(STYLE[count], 1.0)


TABLES: dict[str, Callable[[int], Factors]] = {
    "linear": weak(),
    "ease in": ease(lambda t: 1 - t),
    "ease out": ease(lambda t: t),
    "ease in-out": ease(lambda t: 1 - abs(2 * t - 1)),
    "reverse in-out": ease(lambda t: abs(2 * t - 1)),
    "weak input": weak("down"),
    "weak output": weak("up"),
    "weak middle": weak("mid"),
    "strong middle": weak("down", "up"),
    "style transfer": style,
    "composition": lambda count: COMPOSITION[count],
    "strong style transfer": lambda count: {t: 1.0 for t in range(len(SITES[count])) if t not in COMPOSITION[count]},
    "style and composition": lambda count: {**style(count), **COMPOSITION[count]},
    "style transfer precise": lambda count: {**style(count), **COMPOSITION[count]},
    "composition precise": lambda count: {**ELSEWHERE[count], **COMPOSITION[count]},
}
WEIGHT_TYPES = tuple(TABLES)
AWAY: dict[str, Callable[[int, int], bool]] = {  # blocks (of a network) that push the negative towards the picture, and so the result away from it
    "style transfer precise": lambda t, count: t in COMPOSITION[count],
    "composition precise": lambda t, count: t not in COMPOSITION[count],
}
COMBINE: dict[str, Callable[[Tensor], Tensor]] = {
    "concatenate": lambda e: e,  # of tokens, later: side by side
    "average": lambda e: e.mean(0, keepdim=True),
    "norm average": lambda e: unit(e).mean(0, keepdim=True) * length(e).mean(0, keepdim=True),  # every picture counts alike, however long
    "add": lambda e: e.sum(0, keepdim=True),
    "subtract": lambda e: e[:1] - e[1:].mean(0, keepdim=True) if len(e) > 1 else e,
    "batch": lambda e: e,  # one picture for each image of the latent batch
}


def image_prompt(tokens: Tensor, negative: Tensor | None = None, projections: Projections | None = None, *, weight: float = 1.0, weight_type: str = "linear",
                 composition: float | None = None, layers: str = "", count: int | None = None, **where: Any) -> tuple[AttentionEdit, ...]:
    """An image prompt as edits.

    tokens, negative [1|B, T, C], projections, and where (curve, mask, value_scaling, window): as `DecoupledTokens` says.
    weight_type: one of WEIGHT_TYPES. composition: the weight of the composition's blocks in "style and composition", and of those that are pushed away
    in the precise types (None: as `weight`). layers: own factors of the weight, as `parse_layers` reads them, in the place of the type's.
    count: the model's cross-attentions, 16 or 70; None: as the projections'.
    """
    if weight_type not in TABLES:
        raise ConcordError(f"{weight_type!r} is no weight type; these are: {', '.join(TABLES)}")
    count = count or (projections.count if projections else 0)
    if count not in SITES:
        if weight_type == "linear" and not layers.strip():
            return (DecoupledTokens(tokens=tokens, negative=negative, projections=projections, weight=weight, **where),)
        raise ConcordError(f"weight types and layer weights are known for models with {' or '.join(map(str, SITES))} cross-attentions "
                           f"(Stable Diffusion 1.x and XL), this one has {count or 'an unknown number'}; use linear, without layer weights")
    factors = parse_layers(layers, count) if layers.strip() else TABLES[weight_type](count)
    other = weight if composition is None else composition
    edit = lambda some, strength, **to: DecoupledTokens(projections=projections, weight=strength, layer_weights=on_sites(some, count), **to, **where)
    if weight_type in AWAY:
        away = {t: factor for t, factor in factors.items() if AWAY[weight_type](t, count)}
        rest = {t: factor for t, factor in factors.items() if t not in away}
        return edit(rest, weight, tokens=tokens, negative=negative), edit(away, other, tokens=tokens, negative=tokens, branches=frozenset({"negative"}))
    if weight_type == "style and composition" and not layers.strip() and other != weight:
        return tuple(edit(some, strength, tokens=tokens, negative=negative) for some, strength in ((style(count), weight), (COMPOSITION[count], other)))
    return (edit(factors, weight, tokens=tokens, negative=negative),)


def on_sites(factors: Factors, count: int) -> tuple[float, ...]:
    """Factors of transformer blocks -> one for each cross-attention, in execution order; blocks not named: 0."""
    return tuple(factors.get(t, 0.0) for t, sites in enumerate(SITES[count]) for _ in range(sites))


def parse_layers(text: str, count: int) -> dict[int, float]:
    """"3:0.5, 6:1" -> {3: 0.5, 6: 1.0}: transformer blocks and the factor of the weight in each; all others have none.

    A block may be named as diffusers does, too: "up_blocks.0.attentions.1:1", or "down_blocks.2:1" for all that it holds, "mid_block:0.5".
    """
    names = block_names(count)
    found: dict[int, float] = {}
    for piece in (piece.strip() for piece in text.replace("\n", ",").split(",")):
        if not piece:
            continue
        name, _, factor = piece.rpartition(":")
        name = name.strip()
        blocks = [t for t, full in enumerate(names) if name == str(t) or name == full or (name and full.startswith(f"{name}."))]
        try:
            value = float(factor)
        except ValueError:
            value = float("nan")
        if not blocks or not abs(value) < float("inf"):
            raise ConcordError(f"{piece!r} in the layer weights {text.strip()!r} is not understood; write the number of a transformer block "
                               f"(0 to {len(names) - 1} in this model) or its name ({names[0]}), a colon and a factor, with commas between: "
                               f"3:0.5, {len(names) - 1}:1")
        found |= dict.fromkeys(blocks, value)
    return found


def block_names(count: int) -> tuple[str, ...]:
    """diffusers' names of the blocks, in execution order: "up_blocks.0.attentions.1" carries XL's style, "down_blocks.2.attentions.1" its layout."""
    (down, each_down), (up, each_up) = FIRST[count]
    ups = len(SITES[count]) - DOWN[count] - 1
    named: Iterable[str] = (*(f"down_blocks.{down + i // each_down}.attentions.{i % each_down}" for i in range(DOWN[count])), "mid_block.attentions.0",
                            *(f"up_blocks.{up + i // each_up}.attentions.{i % each_up}" for i in range(ups)))
    return tuple(named)


def combine_embeddings(embeddings: Tensor, how: str) -> Tensor:
    """What a vision tower says of several pictures, [B, ...] -> of one [1, ...]; of each, [B, ...], to "concatenate" their tokens and for "batch"."""
    if how not in COMBINE:
        raise ConcordError(f"pictures cannot be combined by {how!r}; these ways are known: {', '.join(COMBINE)}")
    return COMBINE[how](embeddings)


def subtract_text(embeddings: Tensor, text: Tensor, strength: float) -> Tensor:
    """Image embeddings [B, D] without what words [1|B, D] say, in the space that CLIP's towers share (InstantStyle, section 3.3); strength 0: none."""
    if embeddings.shape[-1] != text.shape[-1]:
        raise ConcordError(f"the picture's embedding has {embeddings.shape[-1]} numbers, the words' {text.shape[-1]}; "
                           "both must come from the two halves of one CLIP model")
    return embeddings - strength * text.to(embeddings) if strength else embeddings


def length(e: Tensor) -> Tensor:
    return e.norm(dim=-1, keepdim=True)


def unit(e: Tensor) -> Tensor:
    return e / length(e).clamp(min=torch.finfo(e.dtype).tiny)
