"""A ControlNet on a conditioning: what CONTROL_NET holds, and what it adds to the network at each step."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...processors.features.controlnet import ControlResiduals, Residuals
from ...processors.rows import View
from ...processors.run import Step
from .resize import resize, to_batch
from .schedule import DiscreteSchedule

if TYPE_CHECKING:
    from diffusers.models.controlnets.controlnet import ControlNetModel

CELL = 8  # pixels of a hint per latent cell


@dataclass(frozen=True, eq=False)
class Control:
    """A ControlNet with its hint, strength and window, after the ones applied before it. Loaders fill `network` alone."""

    network: ControlNetModel  # eval mode, never changed
    hint: Tensor = field(default_factory=lambda: torch.zeros(1, 3, CELL, CELL))  # [n, 3, y, x] 0..1; loaders leave it black
    strength: float = 1.0
    start: float = 0.0  # percents of the run
    end: float = 1.0
    previous: Control | None = None
    edit: ControlResiduals | None = None  # weighs what the network adds, in the place of strength, start and end

    def on(self, image: Tensor, strength: float, start: float = 0.0, end: float = 1.0, previous: Control | None = None) -> Control:
        """With a hint image [n, y, x, 3]."""
        return replace(self, hint=image.movedim(-1, 1), strength=strength, start=start, end=end, previous=previous)

    def fit(self, h: int, w: int) -> Control:
        """With every hint of the chain on h x w latent cells, its middle cut out where the aspect differs."""
        previous = self.previous and self.previous.fit(h, w)
        return replace(self, hint=resize(self.hint, w * CELL, h * CELL, "nearest-exact", "center"), previous=previous)

    def crop(self, view: View) -> Control:
        """What a window sees of the hints, which have been fitted to the canvas that it is a window of."""
        return replace(self, hint=_pixels(view).crop(self.hint), previous=self.previous and self.previous.crop(view))

    def residuals(self, x: Tensor, sigma: Tensor, context: Tensor, added: dict[str, Any] | None, entries: int, schedule: DiscreteSchedule,
                  step: Step) -> list[Tensor] | None:
        """-> what is added to the skips and (last) to the middle; None where the whole chain is silent.

        x [R, 4, h, w] as the network sees it, rows in `entries` equal chunks of samples; context [R, T, C].
        """
        before = self.previous and self.previous.residuals(x, sigma, context, added, entries, schedule, step)
        if self.edit and not self.edit.active(step):
            return before
        if sigma[0] > schedule.percent_to_sigma(self.start) or sigma[0] < schedule.percent_to_sigma(self.end):
            return before
        hint = to_batch(self.hint, len(x) // entries).repeat(entries, 1, 1, 1)
        dtype = self.network.dtype
        cast = lambda t: t.to(x.device, dtype)
        skips, middle = self.network(
            cast(x), schedule.timestep(sigma).to(dtype), encoder_hidden_states=cast(context), controlnet_cond=cast(hint),
            added_cond_kwargs=added and {key: cast(value) for key, value in added.items()}, return_dict=False,
        )
        own = [*skips, middle]
        if self.edit:
            weighed = self.edit.weigh(Residuals(tuple(skips), (middle,)), step)
            own = [residual for residual in (*weighed.skips, *weighed.middle) if residual is not None]
        elif self.strength != 1:
            own = [residual * self.strength for residual in own]
        return own if before is None else [b + o for b, o in zip(before, own, strict=True)]


def apply_control(
    branches: Sequence[Sequence], control: Control, image: Tensor, strength: float, start: float = 0.0, end: float = 1.0, for_others_too: bool = False
) -> tuple[list, ...]:
    """-> the conditionings of all branches with `control` put after what each entry has; entries that had the same share the new one.

    `for_others_too`: branches that are not here, and have no control, get it when the run starts.
    """
    if strength == 0:
        return tuple(list(branch) for branch in branches)
    after = cache(lambda previous: control.on(image, strength, start, end, previous))
    keys = lambda cond: {**cond, "control": after(cond.get("control")), "control_apply_to_uncond": for_others_too}
    return tuple([[context, keys(cond)] for context, cond in branch] for branch in branches)


def _pixels(view: View) -> View:
    return View(CELL * view.y, CELL * view.x, CELL * view.h, CELL * view.w, (CELL * view.canvas[0], CELL * view.canvas[1]))
