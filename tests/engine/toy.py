"""A two-layer transformer in float64, small enough that every number in it can be written out, and batches of rows for it."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import lcm, sqrt

import torch
from concord.processors.edit import Edit, Program
from concord.processors.program import Attend
from concord.processors.rows import Lanes, Row, Site
from concord.processors.run import Run, Step, at_site, attention
from torch import Tensor
from torch.nn.functional import layer_norm, scaled_dot_product_attention

HEADS, DEPTH, GRID, TOKENS, STEPS = 2, 8, (4, 6), 7, 4
CHANNELS, QUERIES = HEADS * DEPTH, GRID[0] * GRID[1]
BRANCHES = ("positive", "negative")
ROLES = ("reference", "source", "target", "frame", "reference", "source", "target", "plain")  # of the images of a batch, four to a group

At = Callable[[Site, Tensor, Tensor, Tensor], Tensor]


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def heads(t: Tensor) -> Tensor:
    """[R, N, H*D] -> [R, H, N, D]"""
    return t.unflatten(-1, (HEADS, DEPTH)).transpose(1, 2)


def flat(t: Tensor) -> Tensor:
    """[R, H, N, D] -> [R, N, H*D]"""
    return t.transpose(1, 2).flatten(2)


class Toy:
    """x [R, N, C], text [R, M, C] -> [R, N, C]; what happens at a site is handed in."""

    def __init__(self) -> None:
        names = ("sq", "sk", "sv", "so", "cq", "ck", "cv", "co")
        self.layers = [{name: noise(100 * i + j, CHANNELS, CHANNELS) / sqrt(CHANNELS) for j, name in enumerate(names)} for i in range(2)]

    def sites(self) -> list[Site]:
        def project(weights: dict[str, Tensor]) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
            return lambda tokens: (heads(tokens @ weights["ck"]), heads(tokens @ weights["cv"]))

        kinds = ("self", "cross")
        return [Site(kind, i, "mid", HEADS, GRID, project(weights) if kind == "cross" else None) for i, weights in enumerate(self.layers) for kind in kinds]

    def __call__(self, x: Tensor, text: Tensor, at: At) -> Tensor:
        sites = iter(self.sites())
        for w in self.layers:
            n = layer_norm(x, (CHANNELS,))
            x = x + flat(at(next(sites), heads(n @ w["sq"]), heads(n @ w["sk"]), heads(n @ w["sv"]))) @ w["so"]
            n = layer_norm(x, (CHANNELS,))
            x = x + flat(at(next(sites), heads(n @ w["cq"]), heads(text @ w["ck"]), heads(text @ w["cv"]))) @ w["co"]
        return x


def engine(step: Step, attend: Attend = scaled_dot_product_attention) -> At:
    """The project's engine, as a host puts it into its sites: untouched where no edit acts."""

    def at(site: Site, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        edits = at_site(step.run.program, site, step)
        return attention(edits, site, step, q, k, v, attend) if edits else attend(q, k, v, None)

    return at


def lanes(samples: int) -> Lanes:
    """Batch 1 is a plain image; batch 4 one group of four roles; batch 8 two."""
    return Lanes() if samples == 1 else Lanes(tuple((i, ROLES[i], i // 4) for i in range(samples)))


def batch(samples: int = 4, branches: Sequence[str] = BRANCHES) -> tuple[Row, ...]:
    return lanes(samples).rows([(branch, 0, None, None) for branch in branches], samples)


def seed(row: Row) -> int:
    return 1000 + 500 * BRANCHES.index(row.branch) + 50 * row.entry + row.sample


def canvas(rows: Iterable[Row]) -> Tensor:
    """What each row's image looks like inside the network, [R, N, C]: the same in every entry of its branch."""
    return torch.stack([noise(seed(row._replace(entry=0)), QUERIES, CHANNELS) for row in rows])


def prompts(rows: Sequence[Row]) -> Tensor:
    """[R, M, C]: shorter prompts repeated to the length of the longest, as hosts do."""
    texts = [noise(seed(row) + 7, row.tokens or TOKENS, CHANNELS) for row in rows]
    length = lcm(*(len(text) for text in texts))
    return torch.stack([text.repeat(length // len(text), 1) for text in texts])


def step_of(rows: Sequence[Row], edits: Iterable[Edit] | Program = (), number: int = 1, run: Run | None = None) -> Step:
    """Step `number` of four, at sigma 3."""
    samples = 1 + max(row.sample for row in rows)
    program = edits if isinstance(edits, Program) else Program.of(edits, lanes(samples) if samples in (1, 4, 8) else None)
    run = run or Run(program, samples)
    return Step(tuple(rows), number, number / STEPS, 3.0, run.calls, run)


def picture(edits: Iterable[Edit] | Program, rows: Sequence[Row], number: int = 1, run: Run | None = None) -> Tensor:
    """What the toy makes of these rows with these edits, [R, N, C]."""
    return Toy()(canvas(rows), prompts(rows), engine(step_of(rows, edits, number, run)))


def far(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()
