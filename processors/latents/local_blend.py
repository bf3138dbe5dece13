"""LocalBlend: after each step the target keeps its own picture only where its words, or the source's, are looked at.

Hertz et al., Prompt-to-Prompt Image Editing with Cross Attention Control, arXiv 2208.01626, section 4 (local editing).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from ..edit import Canvas, Edit, LatentEdit, Stage
from ..errors import ConcordError
from ..probe import Grid, WordMaps
from ..run import Run, Step

LAYERS = {16: frozenset({4, 5, 7, 8, 9}), 70: frozenset(range(34, 64))}  # cross-attentions at a quarter of the canvas's side; of SDXL's those on the way up
QUARTER = 4

Words = tuple[tuple[int, ...], ...]  # tokens, one tuple for each lane of a group, the source first


@dataclass(frozen=True, eq=False, kw_only=True)
class LocalBlend(LatentEdit):
    """x_target <- x_source + m (x_target - x_source), m: where the words of either are looked at more than `threshold` of the most, and the subtracted
    words less than theirs."""

    technique = "LocalBlend"
    stage = Stage.LATENTS_AFTER
    order = Canvas.BLEND
    owns = frozenset({"blend with the source"})
    taker = "target"
    giver = "source"

    words: WordMaps
    subtract: WordMaps | None = None
    threshold: float = 0.3  # 0..1 of the map's highest value
    subtract_threshold: float = 0.3

    def change(self, x: Tensor, step: Step) -> Tensor:
        takers = step.where(self)
        if not takers:
            return x
        givers = step.givers("source", takers)
        mask = self.either(heat(self.words, step.run, x, pool=True) > self.threshold, takers, givers)
        if self.subtract is not None:
            mask = mask & ~self.either(heat(self.subtract, step.run, x, pool=False) > self.subtract_threshold, takers, givers)
        changed = x.clone()
        changed[list(takers)] = torch.where(mask, x[list(takers)], x[list(givers)])
        return changed

    def either(self, mask: Tensor, takers: Sequence[int], givers: Sequence[int]) -> Tensor:
        """What counts in the target or in its source, [takers, 1, h, w]."""
        return mask[list(takers)] | mask[list(givers)]


def heat(probe: WordMaps, run: Run, x: Tensor, pool: bool) -> Tensor:
    """How much the probe's words were looked at until now on the canvas x [B, C, h, w]: [B, 1, h, w], 0..1, each image's highest is 1."""
    maps = probe.maps(run)
    if not maps:
        raise ConcordError("LocalBlend has no maps of its words: no prompt that has them was read in this run; connect that prompt to the sampler's positive")
    found = maps[quarter(maps, tuple(x.shape[-2:]))].sum(1, keepdim=True)
    if pool:
        found = max_pool2d(found, 3, 1, 1)
    found = interpolate(found, x.shape[-2:])  # nearest, as the authors do
    return found / found.amax((-2, -1), keepdim=True).clamp(min=torch.finfo(found.dtype).tiny)


def quarter(grids: Sequence[Grid] | dict[Grid, Tensor], canvas: Grid) -> Grid:
    """The resolution nearest to a quarter of the canvas on each side: 16 x 16 for Stable Diffusion 1.x at 512 pixels, 32 x 32 for SDXL at 1024."""
    far = lambda grid: sum(abs(log(cells / (full / QUARTER))) for cells, full in zip(grid, canvas, strict=True))
    return min(grids, key=lambda grid: (far(grid), grid))


def local_blend(words: Words, subtract: Words = (), threshold: float = 0.3, subtract_threshold: float = 0.3, start: float = 0.2, end: float = 1.0,
                count: int = 16, mark: str | None = None) -> tuple[Edit, ...]:
    """LocalBlend as edits. words: places in the prompt of the words that may change, for each lane of a group, the source first (`words[sample % lanes]`);
    subtract: words that must stay; thresholds: 0..1 of a map's highest value; start, end: part of the run in which it blends (maps are read
    from the first step on); count: the model's cross-attentions; mark: of the conditioning that has the words (see `rows.WORDS`), None: the first.
    No words: neutral. The lanes are `source` and `target`."""
    if not any(words):
        return ()
    where = {"layers": LAYERS.get(count), "window": (0.0, end), "mark": mark}
    look, stay = WordMaps(tokens=words, **where), WordMaps(tokens=subtract, **where) if any(subtract) else None
    blend = LocalBlend(words=look, subtract=stay, threshold=threshold, subtract_threshold=subtract_threshold, window=(start, end))
    return (look, *([stay] if stay else []), blend)
