"""One attention as two, divided over the picture by a mask of the queries and a mask of the keys."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..program import Term
from ..rows import View

Part = tuple[Tensor, Tensor]  # a bias on the keys [1|R, 1, 1, M], a gate on the queries [1|R, 1, N, 1]


def parts(keys: Tensor, queries: Tensor) -> tuple[Part, Part]:
    """Masks [1|R, 1, M, 1] and [1|R, 1, N, 1], 0..1 -> the foreground, where `queries` says, sees the keys from one half on; the background the others."""
    front = keys.mT >= 0.5
    return (hidden(~front, keys), queries), (hidden(front, keys), 1 - queries)


def divided(terms: tuple[Term, ...], divided_by: tuple[Part, Part]) -> tuple[Term, ...]:
    """Each term twice, once for each part of its own keys."""
    return tuple(t.on("own", lambda s, bias=bias: s._replace(bias=bias))._replace(gate=t.gate * gate) for t in terms for bias, gate in divided_by)


def hidden(out: Tensor, like: Tensor) -> Tensor:
    """A finite bias that hides keys; where it would hide all of them it hides none, for a softmax has to look at something."""
    return torch.zeros_like(out, dtype=like.dtype).masked_fill(out & ~out.all(-1, keepdim=True), torch.finfo(like.dtype).min / 2)


def nearest(mask: Tensor, grid: tuple[int, int], view: View | None, like: Tensor) -> Tensor:
    """A mask [y, x] of the canvas on a grid of tokens, each the value at its place: [1, 1, N, 1]."""
    mask = mask[None, None].to(like)
    if view is not None:
        mask = view.crop(interpolate(mask, view.canvas))
    return interpolate(mask, grid).reshape(1, 1, -1, 1)
