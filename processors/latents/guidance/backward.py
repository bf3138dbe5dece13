"""Backward layout guidance: a word's attention goes where its box is.

Chen et al., Training-Free Layout Control with Cross-Attention Guidance, arXiv 2304.03373, section 3.3.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...edit import Edit
from ...looking import Seen
from ...regions import Region
from ...rows import Site
from ...run import Step
from .aims import AimedEdit, Aims, gathered, guided

ETA = 30.0


@dataclass(frozen=True, eq=False, kw_only=True)
class BackwardGuidance(AimedEdit):
    """Equations 4 and 5: E = (1 - what a word gives to places inside / all that it gives)^2, the mean over heads, the words of a region, regions and
    layers; x <- x - 30 sigma^2 dE/dx as long as E is above the threshold. Once it is below, guidance is over for that picture."""

    technique = "Backward guidance"
    per_head = True

    window: tuple[float, float] = (0.0, 0.2)  # the authors' first 10 of 51 steps
    iterations: int = 5  # in each step, at most
    threshold: float = 0.2
    end: tuple[int, ...] = ()  # places of the tokens after the prompt's last word, which carry layout too; they go to all regions together

    def usual(self, site: Site, among: Sequence[Site]) -> bool:
        """The middle, and the first block on the way up."""
        up = max((other.level for other in among if other.stage == "up"), default=-1)
        return site.stage == "mid" or (site.stage == "up" and site.level == up)

    def tokens(self, count: int) -> tuple[int, ...]:
        return tuple(sorted({token for _, tokens in self.aims for token in tokens} | set(self.end)))

    def size(self, step: Step) -> float:
        return ETA * self.strength * step.sigma**2

    def asks(self, watched: Sequence[float], before: float, step: Step) -> bool:
        return len(watched) < self.iterations and (watched[-1] if watched else before) > self.threshold

    def losses(self, seen: Seen, step: Step) -> tuple[Tensor, Tensor]:
        aims = self.due(step)
        if self.end:
            aims.append((tuple(region for regions, _, _ in aims for region in regions), self.end, max(weight for _, _, weight in aims)))
        energies = [weight * outside(seen.of(tokens, maps), regions, step) for maps in seen.maps.values() for regions, tokens, weight in aims]
        loss = torch.stack(energies).mean(0)
        return loss, loss


def outside(maps: Tensor, regions: Sequence[Region], step: Step) -> Tensor:
    """maps [S, H, T, h, w] -> [S]: the square of the share that lies outside of the regions, the mean over heads and tokens."""
    mask = step.once(("cells", tuple(region.id for region in regions), maps.shape[-2:], maps.dtype, maps.device), lambda: cells(regions, maps))
    inside = (maps * mask).sum((-2, -1)) / maps.sum((-2, -1)).clamp(min=torch.finfo(maps.dtype).tiny)
    return (1 - inside).square().mean((1, 2))


def cells(regions: Sequence[Region], like: Tensor) -> Tensor:
    """[h, w], 1 inside of any of them."""
    return torch.stack([region.cells((like.shape[-2], like.shape[-1])) for region in regions]).any(0).to(like)


def backward_guidance(aims: Aims, strength: float = 1.0, window: tuple[float, float] = (0.0, 0.2), iterations: int = 5, threshold: float = 0.2,
                      layers: frozenset[int] | None = None, end: tuple[int, ...] = (), entry: int = 0, mark: str | None = None) -> tuple[Edit, ...]:
    """Backward layout guidance as edits; () where it does nothing.

    aims: regions with the places of their words in the prompt; regions of the same words are one, their strengths and curves weigh their part of the
    loss. strength: 1 is the authors' step (their loss scale 30). iterations: moves in each step, at most; threshold: of the loss, 0..1, at which
    guidance ends; layers: cross-attentions, None: the authors'; end: see the class; entry, mark: see `GradientEdit`.
    """
    return guided(BackwardGuidance(aims=gathered(aims), strength=strength, window=window, iterations=iterations, threshold=threshold, layers=layers,
                                   end=tuple(end), entry=entry, mark=mark))
