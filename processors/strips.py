"""Windows in one prediction: what conditionings see of the canvas stands one below the other, as one picture on which a host runs each as an area of its
own. So a host stacks as many windows in one model call as it stacks areas, and the rows of a call may see different windows."""
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .edit import Stage
from .rows import View
from .run import Run, Step
from .views import FusionEdit, ViewEdit, framed, in_frame, repeated, sights

Said = tuple[Tensor, "Tensor | None"]  # what a branch predicts [B, C, n*h, w] on a strip, and how much it counts there (None: alike)


class Slot(NamedTuple):
    """One window on a strip, as conditionings with a mark see it."""

    view: View
    mark: str = ""


@dataclass(frozen=True)
class Strip:
    """Windows of one size, one below the other."""

    slots: tuple[Slot, ...]

    @property
    def marked(self) -> bool:
        """Whether several conditionings of a branch see one window differently, so that a prediction has to say how much it counts."""
        return any(slot.mark for slot in self.slots)

    @property
    def canvas(self) -> tuple[int, int]:
        return self.slots[0].view.canvas

    @property
    def size(self) -> tuple[int, int]:
        """(n*h, w)"""
        return self.place(0).canvas

    def of(self, mark: str) -> list[tuple[int, View]]:
        """(number, window) of the slots that conditionings with this mark see: their own ones if there are some, else those without a mark."""
        own = mark if any(slot.mark == mark for slot in self.slots) else ""
        return [(number, slot.view) for number, slot in enumerate(self.slots) if slot.mark == own]

    def place(self, number: int) -> View:
        """Where a slot stands on the strip."""
        h, w = self.slots[0].view[2:4]
        return View(number * h, 0, h, w, (len(self.slots) * h, w))

    def lay(self, t: Tensor, alone: Sequence[int] = ()) -> Tensor:
        """[..., H, W] on the canvas -> [..., n*h, w]: what lies in each window; for images `alone` of a batch, what lies in their frame. Constants, which
        looks with gradients may meet, too."""
        with torch.inference_mode(False):
            return torch.cat([in_window(t, slot.view, alone) for slot in self.slots], -2)

    def over_marks(self, t: Tensor) -> Tensor:
        """[..., n*h, w]: in every slot the sum of what lies in all slots of its window."""
        of_one = sum(slot.view == self.slots[0].view for slot in self.slots)
        each = t.unflatten(-2, (-1, of_one, self.place(0).h))
        return each.sum(-3, keepdim=True).expand_as(each).flatten(-4, -2)


def strips(step: Step, views: Sequence[View], marks: Sequence[str]) -> Iterator[Strip]:
    """All windows of a step, as many on a strip as may share a prediction."""
    many = next((edit.per_call for edit in step.run.program.at(Stage.VIEWS, step) if isinstance(edit, ViewEdit)), 0) or len(views)
    for first in range(0, len(views), many):
        yield Strip(tuple(Slot(view, mark) for view in views[first : first + many] for mark in ("", *marks)))


def seen(x: Tensor, slot: Slot, step: Step) -> Tensor:
    """x [B, C, H, W] on the canvas -> [B, C, h, w]: what rows of a slot see, those of images in a frame theirs."""
    edit = sights(step).get(slot.mark)
    look = lambda t, view, samples: edit.see(view.crop(t), view, slot.mark, step, samples) if edit else view.crop(t)
    return in_window(x, slot.view, framed(step), look)


def in_window(t: Tensor, view: View, alone: Sequence[int], look: Callable[[Tensor, View, Sequence[int]], Tensor] = lambda t, view, _: view.crop(t)) -> Tensor:
    """t [B, .., H, W] on the canvas -> [B, .., h, w]: what images look at in a window; those in a frame (`alone`) at what lies in theirs."""
    crop = look(t, view, range(len(t)))
    if alone:
        crop = crop.clone()
        crop[list(alone)] = look(t[list(alone)], in_frame(view), alone)
    return crop


def fuse(step: Step, views: Sequence[View], x: Tensor, predict: Callable[[Strip, Tensor], Sequence[Said]]) -> list[Tensor]:
    """The predictions of all windows as one per branch, averaged where windows overlap.

    x [B, C, H, W]; predict(strip, what is seen on it [B, C, n*h, w]) -> one Said per branch; returns one [B, C, H, W] per branch.
    Because every window of a step starts from the same x, averaging predictions is averaging steps (MultiDiffusion, arXiv 2302.08113, section 4).
    """
    forget_others(step.run, views)
    weights = window_weights(step, views, x)
    alone, picture = list(framed(step)), View(0, 0, *views[0][2:4], views[0][2:4])
    means: list[tuple[Mean, Mean]] = []  # of each branch: on the canvas, and of the images in a frame, which the first window's calls draw
    for strip in strips(step, views, tuple(sights(step))):
        said = predict(strip, torch.cat([seen(x, slot, step) for slot in strip.slots], -2))
        means = means or [(Mean.of(x, p), Mean.of(picture.crop(x[alone]), p)) for p, _ in said]
        for (canvas, pictures), (prediction, heard) in zip(means, said, strict=True):
            for number, (view, _) in enumerate(strip.slots):
                at = strip.place(number)
                weight = weights[view] if heard is None else weights[view] * at.crop(heard)
                canvas.add(view, at.crop(prediction), weight)
                if alone and view == views[0]:
                    pictures.add(picture, at.crop(prediction)[alone], weight if heard is None else weight[alone])
    fused = [canvas.mean() for canvas, _ in means]
    for prediction, (_, pictures) in zip(fused, means, strict=True):
        prediction[alone] = repeated(pictures.mean(), views[0].canvas)
    return fused


@dataclass(eq=False)
class Mean:
    """A weighted mean that is being made. Where nothing counted, it is 0."""

    total: Tensor
    count: Tensor

    @classmethod
    def of(cls, like: Tensor, prediction: Tensor) -> Mean:
        return cls(torch.zeros_like(like, dtype=prediction.dtype), torch.zeros_like(like))

    def add(self, view: View, t: Tensor, weight: Tensor) -> None:
        view.add(self.total, t * weight)
        view.add(self.count, weight)

    def mean(self) -> Tensor:
        return self.total / torch.where(self.count > 0, self.count, 1)


def window_weights(step: Step, views: Sequence[View], x: Tensor) -> dict[View, Tensor]:
    """[h, w] of each window: how much each of its cells counts."""
    fusion = next((e for e in step.run.program.at(Stage.PREDICTION, step) if isinstance(e, FusionEdit)), None)

    def weight(view: View) -> Tensor:
        with torch.inference_mode(False):  # looks with gradients may meet it
            return (fusion.weight(view) if fusion else torch.ones(view.h, view.w)).to(x)

    return step.once(("weights of windows", views, fusion and fusion.id, x.dtype, x.device), lambda: {view: weight(view) for view in views})


def forget_others(run: Run, views: Sequence[View]) -> None:
    """What was kept for windows that are not run any more is let go: where windows move from step to step, a run's memory would only grow."""
    if run.memory.setdefault("windows", views) != views:
        past = set(run.memory["windows"]) - set(views)
        for key in [key for key in run.memory if tells_of(key, past)]:
            del run.memory[key]
        run.memory["windows"] = views


def tells_of(key: Hashable, views: set[View]) -> bool:
    """Whether a key of a run's memory names one of these windows."""
    return key in views if isinstance(key, View) else isinstance(key, tuple | frozenset | Strip | Slot) and any(tells_of(part, views) for part in parts(key))


def parts(key: tuple | frozenset | Strip) -> Sequence[Hashable]:
    return key.slots if isinstance(key, Strip) else tuple(key)
