"""Probes: what the attention looks at, read while the model draws and changing nothing.

What a run has read lies in its memory, on the device; it is looked at when the run, or a step of it, is over.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import pad

from .edit import AttentionEdit, Order
from .program import Group, Plan, columns
from .rows import Row, Site, View
from .run import Run, Step
from .words import check_length

Grid = tuple[int, int]
Place = tuple[str, int, View | None, tuple[int, ...]]  # branch, entry, window, tokens asked for


@dataclass(frozen=True, eq=False, kw_only=True)
class Probe(AttentionEdit):
    """Reads the finished plan of a site. A site that only probes watch computes the host's own numbers, to the bit."""

    order = Order.PROBES
    placed = True

    @property
    def owns(self) -> frozenset[str]:  # type: ignore[override]
        """Its own reading: to read the same twice is to read it once."""
        return frozenset({f"reading of {self.id}"})


@dataclass(frozen=True, eq=False, kw_only=True)
class WordMaps(Probe):
    """Where tokens of the prompt are looked at: columns of the cross-attention that the model really uses, after all edits of it; the mean over heads,
    summed over sites and steps for each resolution. An adapter's own attention is not the prompt's and is not counted."""

    technique = "WordMaps"
    kind = "cross"

    tokens: tuple[tuple[int, ...], ...]  # places in the prompt that each sample's map is asked of; sample s asks tokens[s % len(tokens)], () for none
    branches: frozenset[str] | None = frozenset({"positive"})
    entry: int = 0  # which conditioning of the branch has the words, where none is marked
    mark: str | None = None  # of the conditioning that has the words (see `rows.WORDS`)
    live: bool = False  # whether `so_far` will be asked

    def neutral(self) -> bool:
        return not any(self.tokens)

    def active(self, step: Step) -> bool:
        """A look between two steps is no part of the picture; who asks what is seen in it is told, though."""
        return (self.live or step.run.looking is None) and super().active(step)

    def takes(self, row: Row) -> bool:
        return row.tells(self.entry, self.mark) and bool(self.of(row.sample)) and super().takes(row)

    def of(self, sample: int) -> tuple[int, ...]:
        """The tokens that one sample's maps are of, in the order of the maps."""
        return self.tokens[sample % len(self.tokens)]

    def maps(self, run: Run, branch: str = "positive") -> dict[Grid, Tensor]:
        """Until now in this run: resolution (h, w) on the canvas -> [samples, tokens, h, w], the mean over the sites and steps that were read, each
        0..1: the share of its attention that a place gave to the token. Places that no window or area reached have 0."""
        found = run.memory.get(self.id, Found()).sums
        return {grid: mean(total) for (of, grid), total in found.items() if of == branch}

    def so_far(self, step: Step, site: Site, view: View | None = None, branch: str = "positive") -> dict[Grid, Tensor]:
        """The same for this prediction alone, from the sites before `site`, as one window sees it: [samples, tokens, h, w] for each resolution.
        Empty where nothing was read yet. Needs `live`."""
        found: Found = step.run.memory.get(self.id, Found())
        sums: dict[Grid, Tensor] = {}
        for (of, window, index, grid), total in found.now.items() if found.call == step.call else ():
            if (of, window) == (branch, view) and index < site.index:
                sums[grid] = sums[grid] + total if grid in sums else total
        return {grid: mean(total) for grid, total in sums.items()}

    def read(self, plan: Plan, site: Site, step: Step) -> None:
        found: Found = step.once(self.id, Found)
        for (branch, _, view, tokens), rows in step.resolve((self.id, "asked"), lambda: self.asked(step)):
            for group in plan.groups:
                inside = tuple(row for row in group.rows if row in rows)
                if inside:
                    maps = self.columns(group.pick(inside, plan.index), tokens, site, step).unflatten(-1, site.grid)
                    samples = step.run.index[tuple(step.rows[row].sample for row in inside), maps.device]
                    self.add(found, maps, samples, branch, view, site, step)

    def asked(self, step: Step) -> tuple[tuple[Place, frozenset[int]], ...]:
        """The rows of this call that are read together."""
        found: dict[Place, set[int]] = {}
        for i in step.where(self):
            row = step.rows[i]
            found.setdefault((row.branch, row.entry, row.view, self.of(row.sample)), set()).add(i)
        return tuple((place, frozenset(rows)) for place, rows in found.items())

    def columns(self, group: Group, tokens: tuple[int, ...], site: Site, step: Step) -> Tensor:
        """[R, T + 1, N]: the mean over heads of each token's column, room for tokens that only other samples have, and ones, which count the readings."""
        check_length(tokens, group.own.v.shape[-2], site, self.technique)
        read = columns(group, tokens, once=step.once)
        maps = read.to(torch.promote_types(read.dtype, torch.float32)).mean(1).mT
        if missing := max(map(len, self.tokens)) - len(tokens):
            maps = pad(maps, (0, 0, 0, missing))
        return pad(maps, (0, 0, 0, 1), value=1.0)

    def add(self, found: Found, maps: Tensor, samples: slice | Tensor, branch: str, view: View | None, site: Site, step: Step) -> None:
        def into(sums: dict, key: tuple, maps: Tensor) -> None:
            if key not in sums:
                sums[key] = maps.new_zeros(step.run.samples, *maps.shape[1:])
            sums[key][samples] += maps

        if self.live:
            if found.call != step.call:
                found.call, found.now = step.call, {}
            into(found.now, (branch, view, site.index, site.grid), maps.detach())
        if step.run.looking is not None:
            return
        maps = on_canvas(maps, view, site, step)
        grid = tuple(maps.shape[-2:])
        found.levels.setdefault(grid, site.level)
        into(found.sums, (branch, grid), maps)


@dataclass(eq=False)
class Found:
    """What one probe has read in one run: sums over sites and steps, whose last map counts them."""

    sums: dict[tuple[str, Grid], Tensor] = field(default_factory=dict)  # (branch, grid on the canvas) -> [samples, T + 1, h, w]
    levels: dict[Grid, int] = field(default_factory=dict)  # how often the canvas was halved for a grid
    call: int = -1  # the prediction that `now` is of
    now: dict[tuple[str, View | None, int, Grid], Tensor] = field(default_factory=dict)  # (branch, window, site, grid of the window) -> the same, alone


def mean(total: Tensor) -> Tensor:
    """[S, T + 1, h, w] -> [S, T, h, w]: the sums over how often each place was read."""
    count = total[:, -1:]
    return total[:, :-1] / torch.where(count > 0, count, 1)


def on_canvas(maps: Tensor, view: View | None, site: Site, step: Step) -> Tensor:
    """Maps [..., h, w] of a window on the grid of the whole canvas, 0 where it does not reach."""
    if view is None:
        return maps
    down, across = step.once(("onto the canvas", view, site.grid, maps.dtype, maps.device), lambda: onto_canvas(view, site, maps))
    return down @ maps @ across.mT


def onto_canvas(view: View, site: Site, like: Tensor) -> tuple[Tensor, Tensor]:
    """Two matrices that bring a window's map onto the canvas: [h of the canvas, h of the window], and the same for w."""
    halved = 2**site.level
    as_usual = site.grid == (ceil(view.h / halved), ceil(view.w / halved))  # another pack may shrink what is inside
    cells = (halved, halved) if as_usual else (view.h / site.grid[0], view.w / site.grid[1])
    down, across = (line(*of).to(like) for of in zip(view[:2], view[2:4], view.canvas, site.grid, cells, strict=True))
    return down, across


def line(start: int, size: int, full: int, tokens: int, cells: float) -> Tensor:
    """[tokens of the canvas, tokens of the window]: the share of each canvas token that each of the window's covers, a token being `cells` latent cells."""
    matrix = torch.zeros(ceil(full / cells), tokens, dtype=torch.float64)
    width = torch.zeros(len(matrix))
    for cell in range(full):
        width[int(cell / cells)] += 1
    for cell in range(size):
        to = int((start + cell) % full / cells)
        matrix[to, min(int(cell / cells), tokens - 1)] += 1 / width[to]
    return matrix
