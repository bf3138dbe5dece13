"""How large the scores of a site are: the measure that biases on scores are given in."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from ..program import Group, Plan
from ..run import Step

KINDS = ("max", "std", "max of the words")
SCOPES = ("picture", "head", "batch")  # of what: all of a picture's, each head's own, all pictures together (as the authors' code has it)


class Size(NamedTuple):
    """What is measured. words: the tokens of each region."""

    kind: str
    scope: str
    words: tuple[tuple[int, ...], ...]


def score_size(plan: Plan, rows: Sequence[int], size: Size, step: Step) -> Callable[[Group], Tensor]:
    """For rows of the plan in one group the size of their scores q k^T / sqrt(d) of their prompt, [R, H|1, 1, n|1]; without a softmax and without a look at
    a number.

    Biases and temperatures are not counted. All pictures together: those that are told the same prompt in the same window, which are always in one call.
    """
    if size.scope != "batch":
        return lambda mine: finished(measure(mine, size, step), size.kind)
    found: dict[tuple, list[Tensor]] = {}
    for group in plan.groups:
        inside = tuple(row for row in group.rows if row in rows)
        if inside:
            for row, parts in zip(inside, measure(group.pick(inside, plan.index), size, step), strict=True):
                found.setdefault(step.rows[row].place, []).append(parts)
    shared = {place: together(torch.stack(parts), size.kind, (0,)) for place, parts in found.items()}
    return lambda mine: finished(torch.cat([shared[step.rows[row].place] for row in mine.rows]), size.kind)


def measure(group: Group, size: Size, step: Step) -> Tensor:
    """[R, H|1, n|1, c]: of each row and head what can be put together, without the pictures of a batch."""
    q, k = group.terms[0].q, group.own.k
    scores = q @ (k / sqrt(k.shape[-1])).mT
    if size.kind == "std":
        var, mean = torch.var_mean(scores, (-2, -1), correction=0)
        count = torch.full_like(mean, scores.shape[-2] * scores.shape[-1], dtype=torch.promote_types(mean.dtype, torch.float32))
        parts = torch.stack([var.to(count), mean.to(count), count], -1)[..., None, :]
    elif size.kind == "max":
        parts = scores.amax((-2, -1))[..., None, None]
    else:
        at = [step.once(("tokens", tokens, scores.device), lambda tokens=tokens: torch.tensor(tokens, device=scores.device)) for tokens in size.words]
        parts = torch.stack([scores[..., tokens].amax((-2, -1)) for tokens in at], -1)[..., None]
    return parts if size.scope == "head" else together(parts, size.kind, (1,))


def together(parts: Tensor, kind: str, dims: tuple[int, ...]) -> Tensor:
    """Several measures as one, along `dims`, which stay with length 1."""
    if kind != "std":
        return parts.amax(dims, keepdim=True)
    var, mean, count = parts.unbind(-1)  # of parts of equal size
    spread = var.mean(dims, keepdim=True) + torch.var(mean, dims, correction=0, keepdim=True)
    return torch.stack([spread, mean.mean(dims, keepdim=True), count.sum(dims, keepdim=True)], -1)


def finished(parts: Tensor, kind: str) -> Tensor:
    """[R, H|1, n|1, c] -> the size, [R, H|1, 1, n|1]; the standard deviation as estimated from a sample, which is what the authors' code takes."""
    if kind != "std":
        return parts[..., 0][:, :, None]
    var, _, count = parts.unbind(-1)
    return (var * count / (count - 1)).sqrt()[:, :, None]
