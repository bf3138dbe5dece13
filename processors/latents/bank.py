"""A trajectory of latents, from noise to pictures, that an inversion recorded and later runs follow."""
from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isclose

from torch import Tensor

from ..edit import feed
from ..errors import ConcordError
from ..rows import GIVERS
from ..run import Run


@dataclass(frozen=True, eq=False)
class Bank:
    """latents [T + 1, B, C, h, w] (clean + sigma * noise, in the network's units, on the CPU) at T + 1 falling noise levels: the first is the
    noise end, the last the pictures themselves."""

    latents: Tensor
    sigmas: tuple[float, ...]
    cfg: float = 1.0  # that it was recorded with
    weights: str = ""  # a digest of the model's weights; "" where nobody asked

    def __deepcopy__(self, memo) -> Bank:
        return self

    @cached_property
    def id(self) -> str:
        digest = hashlib.sha256()
        feed(digest, (self.latents, self.sigmas, self.cfg, self.weights))
        return digest.hexdigest()[:16]

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    def number(self, sigma: float) -> int:
        """The place of a noise level in the bank."""
        at = bisect_left(self.sigmas, -sigma, key=lambda s: -s)
        close = [i for i in (at - 1, at) if 0 <= i <= self.steps and isclose(self.sigmas[i], sigma, rel_tol=1e-5, abs_tol=1e-8)]
        if not close:
            raise ConcordError(f"this run is at noise level {sigma:.4g}, where the inversion recorded nothing: it went over {self.steps} steps from "
                               f"{self.sigmas[0]:.4g} to {self.sigmas[-1]:.4g}; give the sampler the steps and the scheduler of the inversion, and denoise 1"
                               " (the samplers dpm_2 and dpm_2_ancestral go over other levels)")
        return close[0]

    def at(self, sigma: float) -> Tensor:
        """[B, C, h, w] at a noise level."""
        return self.latents[self.number(sigma)]

    def held(self, sigma: float, hold: float) -> Tensor:
        """[B, C, h, w] at a noise level, where the first part `hold` 0..1 of the steps stays with the latent at its end: the picture's coarse form is
        there from the start. StyleAligned's way to take a reference from a picture (google/style-aligned, inversion.py)."""
        number, offset = self.number(sigma), int(hold * self.steps + 1e-6)
        kept = max(number, min(offset + (number > 0), self.steps))
        to_level = ((1 + sigma**2) / (1 + self.sigmas[kept] ** 2)) ** 0.5  # the same for the network, which sees x / sqrt(1 + sigma^2)
        return self.latents[kept] * to_level if kept != number else self.latents[number]

    def check(self, x: Tensor, run: Run) -> None:
        """That the bank belongs to a canvas x [B, C, h, w] of this run."""
        here, there = tuple(x.shape[1:]), tuple(self.latents.shape[2:])
        if here != there:
            size = lambda shape: f"{8 * shape[2]} x {8 * shape[1]} pixels" if shape[0] == here[0] else f"{shape[0]} channels"
            raise ConcordError(f"the inversion was made at {size(there)}, this run is at {size(here)}; "
                               "give the sampler a latent of the inverted picture's size")
        if self.weights and self.weights != (weights := run.weights()) and weights:
            raise ConcordError("the inversion was made with other weights than this run has (another checkpoint, or other LoRAs); "
                               "invert the picture with this model")

    def pictures(self, samples: Sequence[int], run: Run) -> list[int]:
        """Which of the bank's pictures each of these samples follows."""
        return pictures(self.latents.shape[1], samples, run)


def pictures(count: int, samples: Sequence[int], run: Run) -> list[int]:
    """Which of `count` inverted pictures each of these samples belongs to: a group's is that of its place among the groups; one picture serves all."""
    roles = {sample: group for sample, _, group in run.program.lanes.roles}
    groups = sorted({group for _, lane, group in run.program.lanes.roles if lane in GIVERS})

    def place(sample: int) -> int:
        if count == 1 or (sample in roles and len(groups) == 1):
            return 0
        return groups.index(roles[sample]) if roles.get(sample) in groups else sample

    places = [place(sample) for sample in samples]
    if places and max(places) >= count:
        raise ConcordError(f"the inversion holds {count} pictures, but this batch asks for {max(places) + 1}; "
                           "invert as many pictures as there are sources, or one for all")
    return places
