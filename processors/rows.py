"""Who and where: the rows of one model call, the windows that they see, the lanes of a batch, the attention sites.

Letters, here and everywhere: R rows, H heads, N query tokens, M key tokens, D channels per head, h w token grid, y x pixels.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from .errors import ConcordError

LANES = ("reference", "source", "plain", "target", "frame")  # givers before takers
GIVERS = ("reference", "source")
WORDS = "concord_words"  # key of a conditioning whose words a technique knows, so that other conditionings of the branch are told from it


class View(NamedTuple):
    """A window of the canvas in latent cells: `h` x `w` cells from (y, x). One that leaves the right or lower edge goes on at the other side."""

    y: int
    x: int
    h: int
    w: int
    canvas: tuple[int, int]

    @property
    def wraps(self) -> bool:
        return self.y + self.h > self.canvas[0] or self.x + self.w > self.canvas[1]

    @property
    def whole(self) -> bool:
        return (self.y, self.x, self.h, self.w) == (0, 0, *self.canvas)

    def crop(self, t: Tensor) -> Tensor:
        """[..., H, W] on the canvas -> [..., h, w]: what this window sees of it."""
        if self.wraps:
            t = t.roll((-self.y, -self.x), (-2, -1))
            return t[..., : self.h, : self.w]
        return t[..., self.y : self.y + self.h, self.x : self.x + self.w]

    def add(self, canvas: Tensor, t: Tensor) -> None:
        """Add `t` [..., h, w] into `canvas` [..., H, W] where this window lies; the canvas is written in place."""
        if self.wraps:
            at = [torch.arange(start, start + size, device=t.device) % full
                  for start, size, full in zip((self.y, self.x), (self.h, self.w), self.canvas, strict=True)]
            canvas[..., at[0][:, None], at[1]] += t
        else:
            canvas[..., self.y : self.y + self.h, self.x : self.x + self.w] += t

    def within(self, y: int, x: int, h: int, w: int) -> View:
        """A window of this window, in cells of the whole canvas."""
        return View((self.y + y) % self.canvas[0], (self.x + x) % self.canvas[1], h, w, self.canvas)


    def pieces(self, area: View) -> tuple[Piece, ...]:
        """Where an area of the canvas shows in this window: nowhere, in one piece, or (over the edge) in several."""
        ys, xs = (cuts(*line) for line in zip(self[:2], self[2:4], area[:2], area[2:4], self.canvas, strict=True))
        return tuple(Piece(View(y - self.y + up, x - self.x + left, h, w, (self.h, self.w)), View(y - area.y, x - area.x, h, w, (area.h, area.w)),
                           View(y, x, h, w, self.canvas)) for y, h, up in ys for x, w, left in xs)


class Piece(NamedTuple):
    """A rectangle that a window and an area share, as each of the three counts it."""

    in_window: View
    in_area: View
    on_canvas: View


def cuts(start: int, size: int, area_start: int, area_size: int, full: int) -> list[tuple[int, int, int]]:
    """(start, length, turn) of what an area on a line of `full` cells shares with a window, which may go on over the end: `turn` is then `full`."""
    found = []
    for turn in (0, full):
        first, last = max(area_start, start - turn), min(area_start + area_size, start + size - turn, full)
        if last > first:
            found.append((first, last - first, turn))
    return found


class Row(NamedTuple):
    """One entry of the batch of one model call."""

    branch: str = "positive"
    sample: int = 0
    lane: str = "plain"
    group: int = 0  # which giver serves which taker
    view: View | None = None  # None: the whole canvas
    entry: int = 0  # which conditioning of its branch
    tokens: int | None = None  # true length of its prompt; None: as long as the tensor
    words: str | None = None  # the mark that a technique left on its conditioning (key WORDS); "": none; None: not known
    window: View | None = None  # of its call, where the row itself sees another part of the canvas (`views.Frame`)

    def tells(self, entry: int, mark: str | None) -> bool:
        """Whether its conditioning is the one that has some words: the marked one; where none is marked that of this number."""
        return self.entry == entry if mark is None else self.words in (None, mark)

    @property
    def place(self) -> tuple:
        """What a giver shares with its takers, besides the group."""
        return self.branch, self.entry, self.window or self.view


@dataclass(frozen=True)
class Lanes:
    """The roles that the samples of a batch play: (sample, lane, group) each; a sample without one is plain, in group 0."""

    roles: tuple[tuple[int, str, int], ...] = ()

    def __or__(self, other: Lanes) -> Lanes:
        known = {sample: (lane, group) for sample, lane, group in self.roles}
        for sample, lane, group in other.roles:
            if known.setdefault(sample, (lane, group)) != (lane, group):
                raise ConcordError(f"image {sample} of the batch would be both {known[sample][0]} and {lane} (groups {known[sample][1]} and {group}); "
                                   "give the two techniques different images of the batch")
        return Lanes(tuple(sorted((sample, *role) for sample, role in known.items())))

    def row(self, sample: int) -> tuple[str, int]:
        """Lane and group of one sample."""
        return next(((lane, group) for s, lane, group in self.roles if s == sample), ("plain", 0))

    def check(self, samples: int) -> None:
        """Every role has its image, and no group two givers of one kind."""
        givers = set()
        for sample, lane, group in self.roles:
            if sample >= samples:
                remedy = "choose an earlier image" if lane == "reference" else f"connect the latent that comes out of the node that makes the {lane}"
                raise ConcordError(f"the {lane} is image {sample} of the batch (counted from 0), but the batch holds {samples}; "
                                   f"raise the batch size of the latent, or {remedy}")
            if lane in GIVERS and (lane, group) in givers:
                raise ConcordError(f"group {group} has two images that play the {lane}; one serves all the others")
            givers.add((lane, group))

    def rows(self, branches: Iterable[tuple], samples: int) -> tuple[Row, ...]:
        """The row table of a call that stacks `branches` (branch, entry, view, tokens, and words if they are known), each with all samples."""
        roles = [self.row(sample) for sample in range(samples)]
        return tuple(Row(branch, sample, *roles[sample], view, entry, *text) for branch, entry, view, *text in branches for sample in range(samples))


@dataclass(frozen=True)
class Site:
    """One attention call in the network."""

    kind: str  # self, cross, joint
    index: int  # in execution order, counted per kind
    stage: str = "mid"  # down, mid, up
    heads: int = 0
    grid: tuple[int, int] = (0, 0)  # token grid (h, w)
    project: Callable[[Tensor], tuple[Tensor, Tensor]] | None = field(default=None, compare=False)  # tokens [S, M, C] -> own k, v [S, H, M, D]
    level: int = 0  # how often the latent was halved on the way: one token is 2**level cells wide

    def __str__(self) -> str:
        return f"{self.kind}-attention {self.index} ({self.stage})"


def projection(heads: int, to_k: Callable[[Tensor], Tensor], to_v: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A site's `project`, from the layers that every host's attention has."""

    def project(tokens: Tensor) -> tuple[Tensor, Tensor]:
        k, v = (layer(tokens).unflatten(-1, (heads, -1)).transpose(1, 2) for layer in (to_k, to_v))
        return k, v

    return project
