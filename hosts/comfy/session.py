"""One sampling run in ComfyUI: the run's memory, and which rows a model call has.

The program is a part of the model options; the session is put into this run's own copy of them when sampling begins, and goes with it.
Both are objects, because the host copies and merges plain dicts.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from comfy.samplers import CFGGuider
from torch import Tensor

from ...processors.edit import Program
from ...processors.errors import ConcordError
from ...processors.rows import WORDS, View
from ...processors.run import Run, Step
from ...processors.schedule import Progress
from ...processors.views import in_frames
from .weights import weights_of

PROGRAM, SESSION, CALL = "concord", "concord_session", "concord_call"
PLACE = "concord_place"  # key of a condition that was cut to a window: which entry of its branch it is, and what it sees of the canvas


@dataclass(eq=False)
class Session:
    """A run, and the guider that does it."""

    run: Run
    guider: Any = None
    controls: dict[tuple, Any] = field(default_factory=dict)  # (id of a control, a window, or a canvas for all windows of it) -> its copy for that
    views: tuple[View, ...] = ()  # the windows that are run

    def __deepcopy__(self, memo) -> Session:
        return self

    def see(self, views: tuple[View, ...]) -> None:
        """From now on these windows are run: what was copied for one of the others is let go."""
        if views != self.views:
            self.drop(key for key in self.controls if isinstance(key[1], View))
            self.views = views

    def drop(self, keys: Iterable[tuple]) -> None:
        for key in list(keys):
            self.controls.pop(key).cleanup()

    def branch(self, index: int, conds: list) -> str:
        """The name of a branch: guiders stack them in their own order, so they are known by the very list that the guider keeps."""
        named = getattr(self.guider, "conds", None) or {}
        return next((name for name, kept in named.items() if kept is conds), ("positive", "negative")[index] if index < 2 else f"extra{index}")


@dataclass(frozen=True, eq=False)
class Call:
    """One prediction: who is who among the host's (index, uuid) pairs, on which window of the canvas."""

    sigma: float
    entries: dict[tuple[int, Any], tuple[str, int, View | None, int | None, str]]  # -> branch, entry, view, tokens, words

    def __deepcopy__(self, memo) -> Call:
        return self


def new_session(program: Program, guider: Any, samples: int, sigmas: Tensor) -> Session:
    sampling = guider.model_patcher.get_model_object("model_sampling")
    run = Run(program, samples, tuple(sigmas.tolist()), Progress(lambda percent: float(sampling.percent_to_sigma(percent))),
              cfg=guider.cfg if type(guider) is CFGGuider else None, weights_of=lambda: weights_of(guider.model_patcher))
    return Session(run, guider)


def new_call(names: list[str], conds: list, x: Tensor, sigma: float) -> Call:
    """names, conds: of each branch, its list of the host's condition dicts, or None; x [B, C, H, W]: the canvas, where nothing else is said of a place."""
    canvas = tuple(x.shape[-2:])
    entries = {}
    for index, branch in enumerate(conds):
        marks: dict[int, str] = {}  # of texts: the host copies an entry's keys to other branches, with another text
        for number, cond in enumerate(branch or ()):
            tokens = cond.get("model_conds", {}).get("c_crossattn")
            words = marks.setdefault(id(tokens), cond.get(WORDS, ""))
            entry, seen = cond.get(PLACE) or (number, area_of(cond, canvas))
            entries[index, cond.get("uuid")] = (names[index], entry, None if seen is None or seen.whole else seen, tokens and tokens.cond.shape[1], words)
    return Call(sigma, entries)


def area_of(cond: dict, canvas: tuple[int, int]) -> View | None:
    """The host's area (h, w, y, x), as far as it lies on the canvas."""
    area = cond.get("area")
    if area is None or len(area) != 4:
        return None
    h, w, y, x = area
    return View(y, x, min(h, canvas[0] - y), min(w, canvas[1] - x), canvas)


def read_step(x: Tensor, options: dict) -> Step:
    """The step of one model call with a batch x [R, C, h, w]."""
    session: Session | None = options.get(SESSION)
    call: Call | None = options.get(CALL)
    chunks, uuids = options["cond_or_uncond"], options.get("uuids") or [None] * len(options["cond_or_uncond"])
    samples = len(x) // len(chunks)
    run = session.run if session else Run(options.get(PROGRAM, Program()), samples)
    if samples != run.samples or samples * len(chunks) != len(x):
        raise ConcordError(f"another node changed the batch: the latent holds {run.samples} images, the model was called with {len(x)} rows "
                           f"for {len(chunks)} conditions; remove the node that tiles or widens batches (MultiDiffusion does tiles that compose)")
    plain = lambda chunk: (("positive", "negative")[chunk] if chunk < 2 else f"extra{chunk}", 0, None, None)
    known = call.entries if call else {}
    entries = [known.get((chunk, uuid)) or plain(chunk) for chunk, uuid in zip(chunks, uuids, strict=True)]
    sigma = call.sigma if call else float(options["sigmas"][0])
    return in_frames(run.step(sigma, run.program.lanes.rows(entries, samples), reweighted(session)))


def reweighted(session: Session | None) -> bool:
    """Whether hooks of the prompts in this call (LoRAs of their own) have changed the model's weights for it."""
    patcher = session and session.guider.model_patcher.model.current_patcher
    return patcher is not None and patcher.current_hooks is not None
