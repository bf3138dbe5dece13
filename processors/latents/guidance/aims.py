"""What guidance by gradients is told: words of the prompt, the places of the picture that they belong to, and how the maps of words are made."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from ...edit import Edit
from ...errors import ConcordError
from ...looking import LookProbe, Seen
from ...regions import Region
from ...rows import Site
from ...run import Step
from ...words import CHUNK
from ..gradient import GradientEdit

SHARPEN, BLUR = 100.0, 0.5
QUARTER = 2  # how often the latent was halved where words bind to things: 16 x 16 in Stable Diffusion 1.x at 512 pixels, 32 x 32 in SDXL at 1024

Aim = tuple[tuple[Region, ...], tuple[int, ...]]  # the regions that some words belong to, and the places of these words in the prompt
Aims = Sequence[tuple[Region, tuple[int, ...]]]


@dataclass(frozen=True, eq=False, kw_only=True)
class AimedEdit(GradientEdit):
    """Guidance of words."""

    technique = "RegionGuidance"

    aims: tuple[Aim, ...]
    strength: float = 1.0  # of the authors' step

    def neutral(self) -> bool:
        return self.strength == 0 or not self.aims

    def active(self, step: Step) -> bool:
        return super().active(step) and any(weight != 0 for _, _, weight in self.due(step))

    def due(self, step: Step) -> list[tuple[tuple[Region, ...], tuple[int, ...], float]]:
        """The aims at that part of the run: regions, tokens, and how much they count."""
        found = [(tuple(region for region in regions if region.at(step.progress)), tokens) for regions, tokens in self.aims]
        return [(regions, tokens, max((region.at(step.progress) for region in regions), key=abs)) for regions, tokens in found if regions]


@dataclass(frozen=True, eq=False, kw_only=True)
class ExcitedEdit(AimedEdit):
    """Guidance by how strongly words are looked at where they are looked at most; it refines at a few steps until that is enough.

    Chefer et al., Attend-and-Excite, arXiv 2301.13826, section 3 and algorithm 1.
    """

    window: tuple[float, float] = (0.0, 0.5)
    iterations: int = 20  # looks to refine, at most
    thresholds: tuple[tuple[float, float], ...] = ((0.0, 0.05), (0.2, 0.5), (0.4, 0.8))  # from which progress on which strength is enough, once each

    def usual(self, site: Site, among: Sequence[Site]) -> bool:
        return site.level == min(QUARTER, max(other.level for other in among))

    def tokens(self, count: int) -> tuple[int, ...]:
        """All but the first and the last of each chunk: words compete with one another, not with the start, which is looked at most."""
        chunk = CHUNK if count % CHUNK == 0 else count
        return tuple(place for place in range(count) if place % chunk not in (0, chunk - 1))

    def size(self, step: Step) -> float:
        """20, falling to 14 over the run, of a latent whose noise keeps its variance; x is larger by sqrt(1 + sigma^2), and its gradient smaller."""
        return 20 * self.strength * (1 - 0.5 * step.progress) ** 0.5 * (1 + step.sigma**2)

    def target(self, step: Step) -> float | None:
        """The loss that is low enough at a step that refines."""
        before = step.run.progress(step.run.sigmas[step.number - 1]) if step.number else -1.0
        due = [enough for start, enough in self.thresholds if before + 1e-6 < start <= step.progress + 1e-6]
        return 1 - due[-1] if due else None

    def refines(self, watched: Sequence[float], step: Step) -> bool:
        """A look to refine is followed by another one, where all of the loss moves the picture, for the last time in this step."""
        target = self.target(step)
        return target is not None and len(watched) <= self.iterations and watched[max(0, len(watched) - 2)] > target

    def asks(self, watched: Sequence[float], before: float, step: Step) -> bool:
        return not watched or self.refines(watched, step)


def gathered(aims: Aims) -> tuple[Aim, ...]:
    """Regions that are not off, those of the same words together: the words belong to all of them."""
    found: dict[tuple[int, ...], tuple[Region, ...]] = {}
    for region, tokens in aims:
        if not tokens:
            raise ConcordError(f"the region {region.name} has no words of the prompt; name the thing that belongs there as the prompt calls it")
        if not region.off:
            found[tuple(tokens)] = (*found.get(tuple(tokens), ()), region)
    return tuple((regions, tokens) for tokens, regions in found.items())


def guided(edit: AimedEdit) -> tuple[Edit, ...]:
    """The edit with what looks for it; nothing where it is neutral."""
    return () if edit.neutral() else (edit, LookProbe())


def excited(seen: Seen, tokens: Sequence[int], by: float = SHARPEN) -> Tensor:
    """[S, T, h, w] 0..1: how much each place is these tokens' rather than other words', as the authors sharpen and smooth it.

    Heads and layers are averaged; layers of several resolutions on the finest of them.
    """
    finest = max((maps.shape[-2:] for maps in seen.maps.values()), key=lambda size: size[0] * size[1])
    maps = [maps.mean(1) for maps in seen.maps.values()]
    maps = [m if m.shape[-2:] == finest else interpolate(m, finest, mode="bilinear") for m in maps]
    share = (torch.stack(maps).mean(0) * by).softmax(1)
    chosen = seen.of(tokens, share[:, None])[:, 0]
    return smooth(chosen)


def smooth(maps: Tensor) -> Tensor:
    """[S, T, h, w] under the authors' 3 x 3 bell: e^(-d^2 / (2 * 0.5)^2) at a distance of d cells, their reading of a deviation of 0.5; mirrored borders."""
    side = exp(-((1 / (2 * BLUR)) ** 2))
    line = maps.new_tensor([side, 1.0, side]) / (1 + 2 * side)
    mirrored = "reflect" if min(maps.shape[-2:]) > 1 else "replicate"
    return conv2d(pad(maps.flatten(0, 1)[:, None], (1, 1, 1, 1), mode=mirrored), (line[:, None] * line)[None, None]).reshape(maps.shape)
