"""What the windows on a strip see of the entries: their areas, weights and hints, all cropped alike."""
from __future__ import annotations

from dataclasses import replace

from ...processors.rows import Piece, View
from ...processors.run import Run
from ...processors.strips import Strip
from ...processors.views import MARK, check_framed
from .control_net import Control
from .entries import Entry


def cut(entry: Entry, strip: Strip, run: Run) -> list[Entry]:
    """The entry once for each window of the strip that it is seen in, or for each piece of its area there, each as an area of the strip. Windows that
    its area or weight does not touch are left out."""
    check_framed(run.program, entry.view is not None, heard(entry.control))
    found = []
    for slot, view in strip.of(entry.cond.get(MARK, "")):
        for piece in [Piece(View(0, 0, view.h, view.w, (view.h, view.w)), view, view)] if entry.view is None else view.pieces(entry.view):
            weight = piece.in_area.crop(entry.weight)
            if run.once(("touched", entry, piece.in_area), lambda weight=weight: bool(weight.any())):
                found.append(replace(entry, view=strip.place(slot).within(*piece.in_window[:4]), seen=piece.on_canvas, weight=weight,
                                     control=control_for(entry, piece.in_area, run)))
    return found


def control_for(entry: Entry, view: View, run: Run) -> Control | None:
    """The control with what the window sees of its hints; one object for all entries that share it, and for all windows of the canvas, so that they still
    share a call."""
    control = entry.control
    if control is None or entry.view is not None:  # a hint that lies over an area
        return control and run.once(("hints", control, view), lambda: control.crop(view))
    return run.once(("hints over windows", control), control.over_windows)


def heard(control: Control | None) -> bool:
    """Whether the reference hears any control of the chain."""
    return control is not None and (control.edit is None or ("reference", 0.0) not in control.edit.lanes or heard(control.previous))
