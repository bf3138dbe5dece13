"""Attend-and-Excite: no word of the prompt is forgotten.

Chefer et al., Attend-and-Excite: Attention-Based Semantic Guidance for Text-to-Image Diffusion Models, arXiv 2301.13826, section 3.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...edit import Edit
from ...looking import Seen
from ...run import Step
from .aims import Aims, ExcitedEdit, excited, gathered, guided


@dataclass(frozen=True, eq=False, kw_only=True)
class AttendAndExcite(ExcitedEdit):
    """Equations 1 and 2: the loss is that of the word that is looked at least where it is looked at most, 1 - max of its map."""

    technique = "Attend-and-Excite"

    def losses(self, seen: Seen, step: Step) -> tuple[Tensor, Tensor]:
        missing = []
        for _, tokens, weight in self.due(step):
            peaks = excited(seen, tokens).amax((-2, -1))
            missing.append(weight * (1 - peaks).clamp(min=0))
        loss = torch.cat(missing, 1).max(1).values
        return loss, loss


def attend_and_excite(aims: Aims, strength: float = 1.0, **how: Any) -> tuple[Edit, ...]:
    """Attend-and-Excite as edits; () where it does nothing.

    aims: regions with the places of their words in the prompt; where the regions are plays no part, their strengths and curves weigh their words.
    strength: 1 is the authors' step size. how: of `ExcitedEdit`: window, iterations, thresholds, layers (cross-attentions; None: all at a quarter of the
    latent's side), entry, mark.
    """
    return guided(AttendAndExcite(aims=gathered(aims), strength=strength, **how))
