"""One cross-attention in float64 and rows for it, for the tests of regions: small enough that every probability can be written out."""
from __future__ import annotations

from math import sqrt

import torch
from concord.processors.edit import Edit, Program
from concord.processors.regions import Region
from concord.processors.rows import Lanes, Row, Site, View
from concord.processors.run import Run, Step, at_site, attention
from concord.tests.engine.toy import noise
from torch import Tensor
from torch.nn.functional import interpolate

H, D, GRID, TEXT, CHANNELS = 2, 8, (4, 6), 7, 12
N = GRID[0] * GRID[1]
BOTH = ("positive", "negative")
VIEWS = (View(2, 4, 8, 12, (16, 24)), View(6, 20, 8, 12, (16, 24)))  # the second goes on over the right edge
BOX = Region(box=(0.1, 0.2, 0.6, 0.8), words="cat")
SHAPE = Region(polygon=((0.4, 0.1), (1.1, 0.5), (0.5, 0.9)), words="dog", strength=0.7)
MASK = Region(mask=(noise(3, 16, 24) > 0.5).float(), words="hill", strength=1.5)
REGIONS = (BOX, SHAPE, MASK)
TO_K, TO_V = noise(11, CHANNELS, H * D), noise(12, CHANNELS, H * D)


def project(tokens: Tensor) -> tuple[Tensor, Tensor]:
    k, v = ((tokens.double() @ layer).unflatten(-1, (H, D)).transpose(1, 2) for layer in (TO_K, TO_V))
    return k, v


SITE = Site("cross", 5, "up", H, GRID, project)


def rows(branches=BOTH, view: View | None = None, samples: int = 2, entries: int = 1, tokens: int | None = None) -> tuple[Row, ...]:
    return Lanes().rows([(branch, entry, view, tokens) for branch in branches for entry in range(entries)], samples)


def told(row: Row) -> Tensor:
    """What a row reads, [M, C]."""
    return noise(100 * BOTH.index(row.branch) + 10 * row.entry + 1, row.tokens or TEXT, CHANNELS)


def model(row: Row) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v of one row, whatever call it is in."""
    k, v = project(told(row)[None])
    return noise(1000 + 100 * BOTH.index(row.branch) + row.sample, H, N, D), k[0], v[0]


def step_of(edits: tuple[Edit, ...], at: tuple[Row, ...], sigma: float = 3.0, progress: float = 0.0, run: Run | None = None) -> Step:
    run = run or Run(Program.of(edits), 1 + max(row.sample for row in at), progress_of=lambda _: progress)
    return run.step(sigma, at)


def ask(edits: tuple[Edit, ...], at: tuple[Row, ...] = rows(), site: Site = SITE, **settings) -> Tensor:
    """The engine's result for these rows: shorter prompts repeated to the longest, as hosts do."""
    step = step_of(edits, at, **settings)
    q, k, v = zip(*map(model, at), strict=True)
    longest = max(t.shape[-2] for t in k)
    k, v = ([t.repeat(1, -(-longest // t.shape[-2]), 1)[:, :longest] for t in part] for part in (k, v))
    return attention(at_site(step.run.program, site, step), site, step, torch.stack(q), torch.stack(k), torch.stack(v))


def probabilities(q: Tensor, k: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """[H, N, M], with what is added before the division by sqrt(d)."""
    return ((q @ k.mT + bias) / sqrt(D)).softmax(-1)


def inside(region: Region, view: View | None = None) -> Tensor:
    """[N]: how much of each token the region covers, looked at through a fine drawing of the canvas."""
    if view is None:
        return region.cover(GRID).double().flatten()
    seen = view.crop(region.cover(view.canvas).double())
    return interpolate(seen[None, None], GRID, mode="area").flatten()
