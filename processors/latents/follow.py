"""Lanes that follow a recorded trajectory: a source or a reference is then, at every step, the inverted picture.

MasaCtrl (arXiv 2304.08465) overwrites its source's latents with those of the inversion; StyleAligned (arXiv 2312.02133) its reference's, which it
holds for the first part of the run.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..edit import Canvas, LatentEdit, Stage
from ..errors import ConcordError
from ..rows import GIVERS, Row
from ..run import Step
from ..views import framed, in_frame, repeated, views_of
from .bank import Bank

BEGINNING = 1e-4  # progress that only the first step of a whole run is below


@dataclass(frozen=True, eq=False, kw_only=True)
class FollowBank(LatentEdit):
    """Before a step, the pictures of these lanes are the bank's at that noise level."""

    technique = "DDIM inversion"
    stage: ClassVar[Stage] = Stage.LATENTS_BEFORE
    order = Canvas.OVERWRITE
    owns = frozenset({"canvas"})

    bank: Bank
    lanes: frozenset[str] = frozenset(GIVERS)
    hold: float = 0.0  # 0..1, see Bank.held

    def takes(self, row: Row) -> bool:
        return row.lane in self.lanes and super().takes(row)

    def change(self, x: Tensor, step: Step) -> Tensor:
        return self.overwrite(x, step, step.sigma)

    def overwrite(self, x: Tensor, step: Step, sigma: float) -> Tensor:
        takers = list(step.where(self))
        if not takers:
            return x
        canvas, alone = x.shape[-2:], set(takers) <= set(framed(step))
        views = views_of(step, tuple(canvas)) if alone else ()
        self.bank.check(in_frame(views[0]).crop(x) if views else x, step.run)
        latents = self.bank.held(sigma, self.hold)[self.bank.pictures(takers, step.run)].to(x)
        changed = x.clone()
        changed[takers] = repeated(latents, tuple(canvas)) if views else latents
        return changed


@dataclass(frozen=True, eq=False, kw_only=True)
class ArriveAtBank(FollowBank):
    """After a step, they are the bank's at the level that it went to: so the last one ends at the picture itself, and what is blended with it is exact."""

    stage: ClassVar[Stage] = Stage.LATENTS_AFTER
    owns = frozenset({"canvas after the step"})

    def change(self, x: Tensor, step: Step) -> Tensor:
        return self.overwrite(x, step, step.run.sigmas[step.number + 1])


def follow_bank(bank: Bank, lanes: frozenset[str] = frozenset(GIVERS), hold: float = 0.0, window: tuple[float, float] = (0.0, 1.0)) -> tuple[LatentEdit, ...]:
    """Edits that keep the pictures of `lanes` on a bank's trajectory. hold: the part of the run, 0 to below 1, that stays with the latent at its end
    (StyleAligned: 0.1)."""
    if not isinstance(bank, Bank):
        raise ConcordError(f"a bank of an inversion was expected, got a {type(bank).__name__}; connect the bank of DDIM Inversion (Concord)")
    if not 0 <= hold < 1:
        raise ConcordError(f"hold is {hold:g}; it is a part of the run, from 0 to below 1")
    return FollowBank(bank=bank, lanes=lanes, hold=hold, window=window), ArriveAtBank(bank=bank, lanes=lanes, hold=hold, window=window)


def start_at_bank(bank: Bank, lanes: frozenset[str] = frozenset({"target"})) -> tuple[LatentEdit, ...]:
    """Edits that let the pictures of `lanes` begin where a bank's trajectory begins, and then go their own way: edits of an inverted picture."""
    return (FollowBank(bank=bank, lanes=lanes, window=(0.0, BEGINNING)),)
