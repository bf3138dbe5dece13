"""A control on a conditioning: what CONTROL_NET holds, and what it adds to the network at each step."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ...processors.features.controlnet import ControlResiduals
from ...processors.features.residuals import Residuals, pooled, stacked
from ...processors.rows import View
from ...processors.run import Step
from .control_family import check_fits
from .resize import resize, to_batch
from .schedule import DiscreteSchedule
from .t2i_adapter import Adapter
from .union_control_net import UnionControlNet

CELL = 8  # pixels of a hint per latent cell


@dataclass(frozen=True, eq=False)
class Control:
    """A control network with its hint, strength and window, after the ones applied before it. Loaders fill `network` alone."""

    network: nn.Module  # ControlNetModel, UnionControlNet or Adapter; eval mode, never changed
    pooled: bool = False  # whether the network says only what the picture is like (shuffle): its residuals are meant over the picture
    hint: Tensor = field(default_factory=lambda: torch.zeros(1, 3, CELL, CELL))  # [n, 3, y, x] 0..1; loaders leave it black
    strength: float = 1.0
    start: float = 0.0  # percents of the run
    end: float = 1.0
    previous: Control | None = None
    edit: ControlResiduals | None = None  # weighs what the network adds, in the place of strength, start and end
    kind: int | None = None  # what a union ControlNet's hint is; None: whatever it may be
    view: View | None = None  # the window whose part of the hint this is; None: the whole canvas
    windowed: bool = False  # whether the hint lies over the canvas, and each row sees its window's part
    given: Tensor | None = None  # the hint before it was fitted to the canvas

    def on(self, image: Tensor, strength: float, start: float = 0.0, end: float = 1.0, previous: Control | None = None) -> Control:
        """With a hint image [n, y, x, 3]."""
        return replace(self, hint=image.movedim(-1, 1), strength=strength, start=start, end=end, previous=previous)

    def check(self, unet: Any) -> None:
        """Refuses controls of another family than the model's, all through the chain."""
        check_fits(self.network, self.edit, unet)
        if self.previous:
            self.previous.check(unet)

    def fit(self, h: int, w: int) -> Control:
        """With every hint of the chain on h x w latent cells, its middle cut out where the aspect differs."""
        previous = self.previous and self.previous.fit(h, w)
        return replace(self, hint=resize(self.hint, w * CELL, h * CELL, "nearest-exact", "center"), given=self.hint, previous=previous)

    def crop(self, view: View) -> Control:
        """What a window sees of the hints, which have been fitted to the canvas that it is a window of."""
        hint = _pixels(view).crop(self.hint)
        return replace(self, hint=hint, given=hint, view=view, previous=self.previous and self.previous.crop(view))

    def over_windows(self) -> Control:
        """With hints that stay on the canvas, of which each row sees what its window does: one control for all windows, so that they may share a call."""
        return replace(self, windowed=True, previous=self.previous and self.previous.over_windows())

    def residuals(self, x: Tensor, sigma: Tensor, context: Tensor, added: dict[str, Any] | None, entries: int, schedule: DiscreteSchedule,
                  step: Step) -> Residuals | None:
        """-> what is added to the network's features; None where the whole chain is silent.

        x [R, 4, h, w] as the network sees it, rows in `entries` equal chunks of samples; context [R, T, C].
        """
        before = self.previous and self.previous.residuals(x, sigma, context, added, entries, schedule, step)
        if self.edit and not self.edit.active(step):
            return before
        if not schedule.percent_to_sigma(self.end) <= step.sigma <= schedule.percent_to_sigma(self.start):
            return before
        own = self.own(x, schedule.timestep(sigma), context, added, entries, step)
        if self.edit:
            h, w = x.shape[-2:]
            views = tuple(row.window or row.view or View(0, 0, h, w, (h, w)) for row in step.rows) if self.windowed else ()
            own = self.edit.weigh(own, step, self.view or View(0, 0, h, w, (h, w)), views)
        elif self.strength != 1:
            own = own.times(self.strength)
        return own if before is None else before.plus(own)

    def own(self, x: Tensor, timestep: Tensor, context: Tensor, added: dict[str, Any] | None, entries: int, step: Step) -> Residuals:
        """What the network itself says, at full strength."""
        network: Any = self.network
        cast = lambda t: t.to(x.device, network.dtype)
        samples = len(x) // entries
        views = tuple(row.window or row.view for row in step.rows[::samples]) if self.windowed else (None,) * entries
        if isinstance(network, Adapter):
            maps = {view: step.once(("maps", self, view), lambda v=view: network(cast(self.cut(v).hint_of(network.shape.unit)))) for view in set(views)}
            return stacked([maps[view].each(lambda t, block: to_batch(t, samples)) for view in views])
        kind = {"kind": self.kind} if isinstance(network, UnionControlNet) else {}
        hint = step.once(("hint", self), lambda: cast(self.hint))
        hint = torch.cat([to_batch(hint if view is None else _pixels(view).crop(hint), samples) for view in views])
        skips, middle = network(
            cast(x), cast(timestep), encoder_hidden_states=cast(context), controlnet_cond=hint,
            added_cond_kwargs=added and {key: cast(value) for key, value in added.items()}, return_dict=False, **kind,
        )
        said = Residuals(tuple(skips), (middle,))
        return said.each(lambda t, block: pooled(t)) if self.pooled else said

    def cut(self, view: View | None) -> Control:
        """What a window sees of the hint; None: all of it."""
        return self if view is None else replace(self, previous=None).crop(view)

    def hint_of(self, unit: int) -> Tensor:
        """The hint with sides that `unit` divides, scaled once from what was given."""
        y, x = self.hint.shape[-2:]
        if y % unit == x % unit == 0 or self.given is None:
            return self.hint
        return resize(self.given, -(-x // unit) * unit, -(-y // unit) * unit, "nearest-exact", "center")


def arguments(residuals: Residuals | None, dtype: torch.dtype) -> dict[str, Any]:
    """Residuals as diffusers' UNet takes them."""
    if residuals is None:
        return {}
    residuals = residuals.each(lambda t, block: t.to(dtype))
    maps = [t for t in residuals.inputs if t is not None]
    middle = residuals.middle[0] if residuals.middle else None
    if not residuals.skips:  # adapters alone: the network takes a map for the middle as the last one
        return {"down_intrablock_additional_residuals": maps if middle is None else [*maps, middle]}
    return {"down_block_additional_residuals": residuals.skips, "mid_block_additional_residual": middle,
            **({"down_intrablock_additional_residuals": maps} if maps else {})}


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
