"""DecoupledCrossAttn for tests: the numbers of IP-Adapter's formula (Ye et al., arXiv 2308.06721, equation 5), every probability written out, row by row."""
from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from concord.processors.attention.decoupled import DecoupledTokens
from concord.processors.attention.token_keys import VALUE_SCALINGS
from concord.processors.edit import Program
from concord.processors.rows import Row, Site, View
from concord.processors.run import Run, at_site, attention
from concord.processors.schedule import Curve
from concord.tests.engine.toy import heads, noise
from torch import Tensor
from torch.nn.functional import interpolate

HEADS, DEPTH, GRID, WIDTH, TEXT = 2, 8, (4, 6), 12, 7
INNER, CANVAS = HEADS * DEPTH, (8, 12)


@dataclass(frozen=True)
class Handle:
    """A projection for each cross-attention of a model with 16."""

    id: str = "handle"
    count: int = 16

    def weights(self, number: int) -> tuple[Tensor, Tensor]:
        return noise(number, WIDTH, INNER) / 3, noise(number + 50, WIDTH, INNER) / 3

    def project(self, number: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        k, v = self.weights(number)
        return tokens @ k.to(tokens), tokens @ v.to(tokens)


def site(index: int = 8, stage: str = "up") -> Site:
    own = noise(999, WIDTH, INNER) / 3, noise(998, WIDTH, INNER) / 3
    return Site("cross", index, stage, HEADS, GRID, lambda tokens: tuple(heads(tokens @ w) for w in own))


NUMBER = {0: 0, 5: 5, 6: 15, 7: 6, 8: 7, 15: 14}  # a site in execution order -> its layer in a file: down, up, and the middle one last
TOKENS, NEGATIVE, LONGER, SHORTER = noise(1, 3, 4, WIDTH), noise(2, 1, 4, WIDTH), noise(3, 2, 5, WIDTH), noise(5, 1, 2, WIDTH)
MASK = (noise(4, 2, *CANVAS) > 0).double() * torch.tensor([1.0, 0.75], dtype=torch.float64)[:, None, None]
WINDOW = View(2, 4, 6, 8, CANVAS)
ROWS = tuple(Row(branch, sample) for branch in ("positive", "negative") for sample in range(4))
SOME = (Row("positive", 2), Row("negative", 0, view=WINDOW), Row("positive", 1, view=WINDOW), Row("style", 5), Row("negative", 3), Row("positive", 0),
        Row("empty_negative_prompt", 2))


def model(row: Row) -> tuple[Tensor, Tensor, Tensor]:
    """q [H, N, D], k, v [H, M, D] of a row, whatever call it is in."""
    seed = 100 * ("positive", "negative", "style", "empty_negative_prompt").index(row.branch) + row.sample
    return tuple(noise(seed + i, 1, HEADS, n, DEPTH)[0] for i, n in ((1000, GRID[0] * GRID[1]), (2000, TEXT), (3000, TEXT)))


def ours(*edits: DecoupledTokens, rows: tuple[Row, ...] = ROWS, at: Site | None = None, sigma: float = 0.5, run: Run | None = None) -> Tensor:
    run = run or Run(Program.of(edits), 4, progress_of=lambda sigma: 1 - sigma)
    at, step = at or site(), run.step(sigma, rows)
    q, k, v = (torch.stack(t) for t in zip(*map(model, rows), strict=True))
    return attention(at_site(run.program, at, step), at, step, q, k, v)


def softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / sqrt(DEPTH)).softmax(-1) @ v


def truth(edit: DecoupledTokens, row: Row, at: Site, progress: float = 0.5, out: Tensor | None = None) -> Tensor:
    q, k, v = model(row)
    out = softmax(q, k, v) if out is None else out
    bank = edit.negative if row.branch in ("negative", "empty_negative_prompt") else edit.tokens
    if bank is None:
        return out
    tokens = bank[row.sample % len(bank)]
    k, v = (heads((tokens @ w)[None])[0] for w in Handle().weights(NUMBER[at.index])) if edit.projections else (t[0] for t in at.project(tokens[None]))
    weight = edit.weight * (edit.layer_weights[at.index] if edit.layer_weights else 1) * (edit.curve.at(progress) if edit.curve else 1)
    penalty = INNER / 1280 if "penalty" in edit.value_scaling else 1
    mean = v.mean(1, keepdim=True)
    added = {"V only": lambda: weight * softmax(q, k, v), "K+V": lambda: softmax(q, weight * k, weight * v),
             "K+V w/ C penalty": lambda: softmax(q, weight * penalty * k, weight * penalty * v),
             "K+mean(V) w/ C penalty": lambda: softmax(q, weight * penalty * k, v - mean + weight * penalty * mean)}[edit.value_scaling]()
    if edit.mask is not None:
        mask = edit.mask[row.sample % len(edit.mask)]
        mask = mask if row.view is None else mask[WINDOW.y : WINDOW.y + WINDOW.h, WINDOW.x : WINDOW.x + WINDOW.w]
        added = added * interpolate(mask[None, None], GRID, mode="area").reshape(-1, 1)
    return out + added


SETTINGS = {
    "one picture": {"tokens": TOKENS[:1]},
    "one for each sample": {"tokens": TOKENS, "negative": NEGATIVE},
    "a longer negative": {"tokens": TOKENS, "negative": LONGER},
    "a negative half as long": {"tokens": TOKENS, "negative": SHORTER},
    "the model's own projection": {"tokens": TOKENS, "negative": NEGATIVE, "projections": None},
    "a mask": {"tokens": TOKENS, "negative": NEGATIVE, "mask": MASK[:1]},
    "a mask for each sample": {"tokens": TOKENS[:1], "negative": LONGER, "mask": MASK},
    "layers and a curve": {"tokens": TOKENS, "negative": NEGATIVE, "layer_weights": tuple(i / 16 for i in range(16)), "curve": Curve.parse("0:1, 1:0.2")},
    "a masked curve": {"tokens": TOKENS, "negative": NEGATIVE, "mask": MASK, "curve": Curve.parse("0:0.3, 1:-1")},
    **{how: {"tokens": TOKENS, "negative": NEGATIVE, "mask": MASK, "value_scaling": how} for how in VALUE_SCALINGS},
}


def edit(name: str = "one for each sample", weight: float = 0.7, **changes) -> DecoupledTokens:
    return DecoupledTokens(**{"projections": Handle(), "weight": weight, **SETTINGS[name], **changes})
