"""Image prompts: a picture's tokens read by all layers, or by those that carry its style or its composition, as decoupled cross-attention.

The weight types carry the names that artists know from IPAdapter_plus. Which layers carry what: Wang et al., InstantStyle, arXiv 2404.02733, section 3.3.
Transformer blocks are counted as in `layers`.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..edit import AttentionEdit
from ..errors import ConcordError
from .decoupled import DecoupledTokens, Projections
from .layers import SITES, Factors, on_sites, parse_layers, stage

STYLE = {16: (0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15), 70: (6,)}
COMPOSITION = {16: {4: 0.25, 5: 1.0}, 70: {3: 1.0}}
ELSEWHERE = {16: {**dict.fromkeys(range(16), 1.0), 6: 0.1, 7: 0.1, 8: 0.1}, 70: {**dict.fromkeys(range(11), 0.1), 6: 1.0}}  # what a precise composition avoids
FLOOR, WEAK = 0.05, 0.2


def ease(way: Callable[[float], float]) -> Callable[[int], dict[int, float]]:
    """Of 0 at the first block, and 1 where one after the last would be, `way` makes 0..1; a block keeps at least a twentieth."""
    return lambda count: {t: FLOOR + (1 - FLOOR) * way(t / len(SITES[count])) for t in range(len(SITES[count]))}


def weak(*stages: str) -> Callable[[int], dict[int, float]]:
    return lambda count: {t: WEAK if stage(t, count) in stages else 1.0 for t in range(len(SITES[count]))}


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
nowhere = lambda t, count: False
BESIDES: dict[str, Callable[[int, int], bool]] = {  # blocks (of a network) that have a factor of their own
    "style and composition": lambda t, count: t in COMPOSITION[count],
    "style transfer precise": lambda t, count: t in COMPOSITION[count],
    "composition precise": lambda t, count: t not in COMPOSITION[count],
}
PRECISE = ("style transfer precise", "composition precise")  # there they push the negative towards the picture, and so the result away from it
COMBINE: dict[str, Callable[[Tensor], Tensor]] = {
    "concatenate": lambda e: e,  # of tokens, later: side by side
    "average": lambda e: e.mean(0, keepdim=True),
    "norm average": lambda e: unit(e).mean(0, keepdim=True) * length(e).mean(0, keepdim=True),  # every picture counts alike, however long
    "add": lambda e: e.sum(0, keepdim=True),
    "subtract": lambda e: e[:1] - e[1:].mean(0, keepdim=True) if len(e) > 1 else e,
    "batch": lambda e: e,  # one picture for each image of the latent batch
}


def image_prompt(tokens: Tensor, negative: Tensor | None = None, projections: Projections | None = None, *, weight: float = 1.0, weight_type: str = "linear",
                 composition: float = 1.0, layers: str = "", count: int | None = None, **where: Any) -> tuple[AttentionEdit, ...]:
    """An image prompt as edits.

    tokens, negative [1|B, T, C], projections, and where (curve, mask, value_scaling, window): as `DecoupledTokens` says.
    weight_type: one of WEIGHT_TYPES. composition: a factor more for the blocks in BESIDES: those of the composition, and in the precise types those that
    push away. layers: own factors of the weight, as `parse_layers` reads them, in the place of the type's. count: the model's cross-attentions, 16 or 70;
    None: as the projections'.
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
    beside = {t: factor * composition for t, factor in factors.items() if BESIDES.get(weight_type, nowhere)(t, count)}
    edit = lambda some, **to: DecoupledTokens(tokens=tokens, projections=projections, weight=weight, layer_weights=on_sites(some, count), **to, **where)
    if weight_type not in PRECISE:
        return (edit({**factors, **beside}, negative=negative),)
    rest = {t: factor for t, factor in factors.items() if t not in beside}
    return edit(rest, negative=negative), edit(beside, negative=tokens, branches=frozenset({"negative"}))


def combine_embeddings(embeddings: Tensor, how: str) -> Tensor:
    """What a vision tower says of several pictures, [B, ...] -> of one [1, ...]; of each, [B, ...], to "concatenate" their tokens and for "batch"."""
    if how not in COMBINE:
        raise ConcordError(f"pictures cannot be combined by {how!r}; these ways are known: {', '.join(COMBINE)}")
    return COMBINE[how](embeddings)


def subtract_text(embeddings: Tensor, text: Tensor, strength: float) -> Tensor:
    """Image embeddings [B, D] without what words [1|B, D] say, in the space that CLIP's towers share (InstantStyle, section 3.3); strength 0: none."""
    if embeddings.shape[-1] != text.shape[-1] or len(text) not in (1, len(embeddings)):
        raise ConcordError(f"the pictures' embeddings are {len(embeddings)} of {embeddings.shape[-1]} numbers, the words' {len(text)} of {text.shape[-1]}; "
                           "one embedding of words fits, made by the other half of the same CLIP model")
    return embeddings - strength * text.to(embeddings) if strength else embeddings


def length(e: Tensor) -> Tensor:
    return e.norm(dim=-1, keepdim=True)


def unit(e: Tensor) -> Tensor:
    return e / length(e).clamp(min=torch.finfo(e.dtype).tiny)
