"""Windows over a canvas: which are run in a step, and how their predictions become one."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .edit import Edit, Stage
from .rows import View
from .run import Step


@dataclass(frozen=True, eq=False, kw_only=True)
class ViewEdit(Edit):
    """Runs the model on windows of the canvas."""

    stage = Stage.VIEWS
    owns = frozenset({"windows"})

    def views(self, canvas: tuple[int, int]) -> tuple[View, ...]:
        """The windows over a canvas of (H, W) latent cells; together they cover it."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class FusionEdit(Edit):
    """Says how much each cell of a window counts where windows overlap."""

    stage = Stage.PREDICTION
    owns = frozenset({"fusion of windows"})

    def weight(self, view: View) -> Tensor:
        """[h, w], positive."""
        raise NotImplementedError(type(self).__name__)


def views_of(step: Step, canvas: tuple[int, int]) -> tuple[View, ...]:
    """The windows of this step; empty when the canvas is run as one."""
    views = tuple(view for edit in step.run.program.at(Stage.VIEWS, step) for view in edit.views(canvas))
    return () if all(view.whole for view in views) else views


def fuse(step: Step, views: Sequence[View], x: Tensor, predict: Callable[[View, Tensor], Sequence[Tensor]]) -> list[Tensor]:
    """The predictions of all windows as one per branch, averaged where windows overlap.

    x [B, C, H, W]; predict(view, crop [B, C, h, w]) -> one [B, C, h, w] per branch; returns one [B, C, H, W] per branch.
    Because every window of a step starts from the same x, averaging predictions is averaging steps (MultiDiffusion, arXiv 2302.08113, section 4).
    """
    fusion = next((e for e in step.run.program.at(Stage.PREDICTION, step) if isinstance(e, FusionEdit)), None)

    def weights() -> list[Tensor]:
        return [(fusion.weight(view) if fusion else torch.ones(view.h, view.w)).to(x) for view in views]

    def counts() -> Tensor:
        count = x.new_zeros(x.shape[-2:])
        for view, weight in zip(views, made, strict=True):
            view.add(count, weight)
        return count

    key = (views, fusion and fusion.id, x.dtype, x.device)
    made = step.once(("weights of windows", *key), weights)
    count = step.once(("count of windows", *key), counts)
    sums: list[Tensor] = []
    for view, weight in zip(views, made, strict=True):
        predictions = predict(view, view.crop(x))
        sums = sums or [torch.zeros_like(x, dtype=p.dtype) for p in predictions]
        for total, prediction in zip(sums, predictions, strict=True):
            view.add(total, prediction * weight)
    return [total / count for total in sums]


def feathered(area: View, cells: int = 8) -> Tensor:
    """[h, w]: how much each cell of an area of the canvas counts: 1, rising over up to 8 cells (a quarter of the area at most) from every edge that
    is not the canvas's. ComfyUI's law for areas without a mask, so that neighbours fade into one another."""
    ramps = []
    for start, size, full in zip(area[:2], area[2:4], area.canvas, strict=True):
        ramp, width = torch.ones(size), min(cells, size // 4)
        rise = torch.tensor([(1.0 / width) * (cell + 1) for cell in range(width)])
        if start != 0:
            ramp[:width] *= rise
        if start + size < full:
            ramp[size - width :] *= rise.flip(0)
        ramps.append(ramp)
    return ramps[0][:, None] * ramps[1]
