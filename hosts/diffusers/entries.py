"""CONDITIONING made ready for a run: every entry with its window on the canvas, its weight there, its steps and its text."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from torch import Tensor

from ...processors.errors import ConcordError
from ...processors.rows import WORDS, View
from .areas import place
from .control_net import Control
from .model import Model
from .resize import to_batch
from .schedule import BEFORE_ALL

Conditioning = Sequence[tuple[Tensor, dict[str, Any]]]  # the socket's value, with ComfyUI's keys
MOST_REPEATS = 4  # how often a prompt is repeated to the length of a longer one before they run apart


@dataclass(frozen=True, eq=False)
class Entry:
    """One conditioning of one branch."""

    branch: str
    index: int  # in its branch
    context: Tensor  # [B, T, C]
    view: View | None  # the window of the canvas; None: all of it
    weight: Tensor  # [1|B, 1, h, w] on that window
    start: float = BEFORE_ALL  # sigmas between which it acts, both included
    end: float = 0.0
    added: dict[str, Tensor] = field(default_factory=dict)  # SDXL: text_embeds [B, P], time_ids [B, 6]
    control: Control | None = None
    cond: dict[str, Any] = field(default_factory=dict)  # all its keys
    seen: View | None = None  # the window in cells of the whole canvas, where `view` counts from a window of it

    def acts(self, sigma: float) -> bool:
        return self.end <= sigma <= self.start

    def stacks_with(self, other: Entry) -> bool:
        """Whether both may share one call of the network."""
        short, long = sorted((self.context.shape[1], other.context.shape[1]))
        return (
            self.weight.shape[-2:] == other.weight.shape[-2:]
            and self.control is other.control
            and self.context.shape[2] == other.context.shape[2]
            and math.lcm(short, long) // short <= MOST_REPEATS
            and {key: t.shape for key, t in self.added.items()} == {key: t.shape for key, t in other.added.items()}
        )


def prepare(model: Model, branches: dict[str, Conditioning], batch: int, canvas: tuple[int, int]) -> dict[str, tuple[Entry, ...]]:
    """-> the entries of each branch for latents [batch, C, *canvas]. The first branch is the positive one."""
    entries = {branch: [_entry(model, branch, i, *cond, batch, canvas) for i, cond in enumerate(conds)] for branch, conds in branches.items()}
    for branch in entries:
        for entry in entries[branch]:
            for other in entries:
                if other != branch:
                    entries[other] += _opposite(entry, other, entries[other])
    for other in list(entries)[1:]:
        entries[other] = _share_controls(entries["positive"], entries[other])
    fitted = cache(Control.fit)  # entries that share a control still share it, and so still run in one call
    fit = lambda e: replace(e, control=e.control and fitted(e.control, *e.weight.shape[-2:]), weight=e.weight.to(model.device), seen=e.view)
    return {branch: tuple(fit(entry) for entry in listed) for branch, listed in entries.items()}


def _entry(model: Model, branch: str, index: int, context: Tensor, cond: dict[str, Any], batch: int, canvas: tuple[int, int]) -> Entry:
    view, weight = place(cond, batch, canvas)
    if cond.get("control"):
        cond["control"].check(model.network)
    start, end = (model.sampling.percent_to_sigma(cond[key]) if key in cond else None for key in ("start_percent", "end_percent"))
    return Entry(
        branch, index, to_batch(context, batch).to(model.device, model.dtype), view, weight, BEFORE_ALL if start is None else start, end or 0.0,
        _added(model, branch, cond, batch, canvas), cond.get("control"), dict(cond),
    )


def _added(model: Model, branch: str, cond: dict[str, Any], batch: int, canvas: tuple[int, int]) -> dict[str, Tensor]:
    """SDXL's micro-conditioning: the pooled text, and (height, width), crop (y, x), target (height, width) in pixels."""
    if model.family != "sdxl":
        return {}
    pooled = cond.get("pooled_output")
    if pooled is None:
        raise ConcordError(f"the model is SDXL, but the {branch} conditioning has no pooled text; encode it with the CLIP of an SDXL checkpoint")
    height, width = cond.get("height", 8 * canvas[0]), cond.get("width", 8 * canvas[1])
    ids = (height, width, cond.get("crop_h", 0), cond.get("crop_w", 0), cond.get("target_height", height), cond.get("target_width", width))
    return {"text_embeds": to_batch(pooled, batch).to(model.device, model.dtype), "time_ids": pooled.new_tensor([ids] * batch).float().to(model.device)}


def _opposite(entry: Entry, branch: str, others: list[Entry]) -> list[Entry]:
    """What `branch` says where `entry` acts: the text of its smallest entry around that area, in the very same window.

    Guidance compares two predictions of one picture; a window seen by one branch only would be compared with a crop of the whole.
    """
    if entry.view is None:
        return []
    around = [other for other in others if other.view is None or _inside(entry.view, other.view)]
    if not around:
        return []
    smallest = min(around, key=lambda e: math.inf if e.view is None else e.view.h * e.view.w)
    if smallest.view == entry.view:
        return []
    cond = {**entry.cond, WORDS: smallest.cond.get(WORDS, "")}
    return [replace(entry, branch=branch, index=len(others), context=smallest.context, added=smallest.added, cond=cond)]


def _inside(one: View, other: View) -> bool:
    return one.y >= other.y and one.x >= other.x and one.y + one.h <= other.y + other.h and one.x + one.w <= other.x + other.w


def _share_controls(positive: list[Entry], others: list[Entry]) -> list[Entry]:
    """A control that was applied to the positive branch alone, by a node that has no negative input, serves the other branch too."""
    controls = [e.control for e in positive if e.control and e.view is None and e.cond.get("control_apply_to_uncond", False)]
    whole = [e for e in others if e.view is None]
    if not whole or any(e.control for e in whole):
        return others
    shared = {whole[i % len(whole)]: control for i, control in enumerate(controls)}
    return [replace(e, control=shared.get(e, e.control)) for e in others]
