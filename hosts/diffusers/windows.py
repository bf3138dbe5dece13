"""What a window of the canvas sees of the entries: their areas, weights and hints, all cropped alike."""
from __future__ import annotations

from dataclasses import replace

from ...processors.rows import View
from ...processors.run import Run
from ...processors.views import check_framed
from .control_net import Control
from .entries import Entry


def cut(entry: Entry, view: View, run: Run) -> list[Entry]:
    """The entry as a window sees it: itself, nothing where its area does not touch the window, or the pieces of its area."""
    check_framed(run.program, entry.view is not None, heard(entry.control))
    if entry.view is None:
        return [replace(entry, weight=view.crop(entry.weight), seen=view, control=hints(entry.control, view, run))]
    return [replace(entry, view=piece.in_window, seen=piece.on_canvas, weight=piece.in_area.crop(entry.weight),
                    control=hints(entry.control, piece.in_area, run))
            for piece in view.pieces(entry.view)]


def hints(control: Control | None, view: View, run: Run) -> Control | None:
    """The control with what the window sees of its hints; one object for all entries that share it, so that they still share a call."""
    return control and run.once(("hints", control, view), lambda: control.crop(view))


def heard(control: Control | None) -> bool:
    """Whether the reference hears any control of the chain."""
    return control is not None and (control.edit is None or ("reference", 0.0) not in control.edit.lanes or heard(control.previous))
