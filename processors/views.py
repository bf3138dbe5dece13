"""Windows over a canvas: which are run in a step, and how much each counts. `strips.py` runs them and makes one prediction of theirs."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .edit import Edit, Program, Stage
from .errors import ConcordError
from .rows import View
from .run import Step

MARK = "concord_sight"  # key of a conditioning whose rows see what a SightEdit makes of the canvas


@dataclass(frozen=True, eq=False, kw_only=True)
class ViewEdit(Edit):
    """Runs the model on windows of the canvas."""

    stage = Stage.VIEWS
    owns = frozenset({"windows"})
    per_call: int = 0  # how many windows may share a prediction's model calls; 0: as many as the host finds room for

    def views(self, canvas: tuple[int, int], number: int = 0) -> tuple[View, ...]:
        """The windows over a canvas of (H, W) latent cells in step `number`; all of one size, together they cover it."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class FusionEdit(Edit):
    """Says how much each cell of a window counts where windows overlap."""

    stage = Stage.PREDICTION
    owns = frozenset({"fusion of windows"})

    def weight(self, view: View) -> Tensor:
        """[h, w], positive."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class SightEdit(Edit):
    """Changes what the rows of some conditionings, marked by MARK, see of a window."""

    stage = Stage.VIEWS
    marks: tuple[str, ...] = ()

    def see(self, x: Tensor, view: View, mark: str, step: Step, samples: Sequence[int]) -> Tensor:
        """x [S, C, h, w], what lies in a window in the network's units, of these samples of the batch -> what rows with `mark` see. Pure."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame(Edit):
    """A lane whose images are as large as one window. All of such an image stands in the first window of its canvas and goes along in every window's
    call, where others look at it; the rest of its canvas repeats it."""

    technique = "StyleAligned"
    stage = Stage.VIEWS
    owns = frozenset({"frame of the reference"})
    taker = "reference"


def views_of(step: Step, canvas: tuple[int, int]) -> tuple[View, ...]:
    """The windows of this step; empty when all see the canvas as one."""
    views = tuple(view for edit in step.run.program.at(Stage.VIEWS, step) if isinstance(edit, ViewEdit) for view in edit.views(canvas, step.number))
    if all(view.whole for view in views):
        return (View(0, 0, *canvas, canvas),) if sights(step) else ()
    return views


def sights(step: Step) -> dict[str, SightEdit]:
    """Of each mark, who says what its rows see in this step."""
    return {mark: edit for edit in step.run.program.at(Stage.VIEWS, step) if isinstance(edit, SightEdit) for mark in edit.marks}


def in_frame(view: View) -> View:
    """What an image in a frame sees instead of a window of that size."""
    return View(0, 0, *view[2:])


def framed(step: Step) -> tuple[int, ...]:
    """The samples that stand in a frame in this step."""
    edits = [edit for edit in step.run.program.at(Stage.VIEWS, step) if isinstance(edit, Frame)]
    return tuple(row.sample for row in step.run.program.lanes.rows([("positive", 0, None, None)], step.run.samples) if any(edit.takes(row) for edit in edits))


def in_frames(step: Step) -> Step:
    """The step of a window's call, whose rows in a frame see that."""
    samples = framed(step) if any(row.view for row in step.rows) else ()
    if not samples:
        return step
    rows = tuple(row._replace(view=in_frame(row.view), window=row.view) if row.view and row.sample in samples else row for row in step.rows)
    return step.run.step(step.sigma, rows, step.reweighted)


def check_framed(program: Program, area: bool, controlled: bool) -> None:
    """Refuses what every image would see of its window, which one in a frame does not see: for hosts, before the first step."""
    if any(isinstance(edit, Frame) for edit in program.edits) and (area or controlled):
        raise ConcordError("a reference that is a picture of its own beside a panorama has no part in " + (
            "conditions with an area; remove the area, or let windows look at the same place of the reference" if area else
            "a ControlNet's hint, which lies over the panorama; use Apply ControlNet (Concord) with apply_to_reference off"))


def repeated(t: Tensor, canvas: tuple[int, int]) -> Tensor:
    """[..., h, w] side by side until it fills a canvas: [..., H, W]"""
    times = [-(-full // size) for full, size in zip(canvas, t.shape[-2:], strict=True)]
    return t.repeat(*[1] * (t.ndim - 2), *times)[..., : canvas[0], : canvas[1]]


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
