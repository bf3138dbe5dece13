"""Bootstrapping: at first each region is drawn before a flat background of its own, so that its object stays inside.

Bar-Tal et al., MultiDiffusion, arXiv 2302.08113, section 5.2 (fidelity to tight masks).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..edit import Edit
from ..errors import ConcordError
from ..rows import View
from ..run import Step
from ..views import SightEdit

COLOURS = 20  # in the pool, as the authors have one for each of their first steps


@dataclass(frozen=True, eq=False, kw_only=True)
class Bootstrapping(SightEdit):
    """What rows with a mark see: x where their region counts at all, elsewhere one of `backgrounds` with the run's start noise at this step's level.

    Inside of a region x stays as it is, so that averaging predictions is still averaging steps.
    masks: of each mark [y, x], over the canvas. backgrounds [P, C, 1, 1] are flat colours, of which every region, window and step draws one; or
    [1, C, h, w] is a picture over the canvas. All in the network's units.
    """

    technique = "MultiDiffusion Regions"
    masks: tuple[Tensor, ...] = ()
    backgrounds: Tensor
    seed: int = 0

    def neutral(self) -> bool:
        return not self.marks or self.window[1] <= 0

    def see(self, x: Tensor, view: View, mark: str, step: Step, samples: Sequence[int]) -> Tensor:
        inside = step.once(("inside", self, mark, view, x.device), lambda: self.inside(view, mark, x))
        noise = view.crop(step.once(("start noise", self, x.dtype, x.device), lambda: self.noise(x, view, step).to(x)))[list(samples)]
        return torch.where(inside, x, self.background(view, mark, step).to(x) + step.sigma * noise)

    def inside(self, view: View, mark: str, x: Tensor) -> Tensor:
        """[h, w] bool: where the region counts at all, on the canvas as hosts bring the masks of conditionings to it."""
        with torch.inference_mode(False):  # looks with gradients may meet it
            whole = interpolate(self.masks[self.marks.index(mark)][None, None], view.canvas, mode="bilinear")[0, 0]
            return view.crop(whole.to(x.device)) > 0

    def background(self, view: View, mark: str, step: Step) -> Tensor:
        """[1, C, 1 | h, 1 | w]"""
        if self.backgrounds.shape[-2:] != (1, 1):
            return step.once(("background", self, view), lambda: view.crop(interpolate(self.backgrounds, view.canvas, mode="bilinear")))
        number = Random(f"{self.seed}/{step.number}/{mark}/{view.y},{view.x}").randrange(len(self.backgrounds))  # of a text: the same everywhere
        return self.backgrounds[number : number + 1]

    def noise(self, x: Tensor, view: View, step: Step) -> Tensor:
        """[B, C, H, W]: what the run started with; of the seed where it added none."""
        if step.run.noise is not None and step.run.noise.any():
            return step.run.noise
        return torch.randn((step.run.samples, x.shape[1], *view.canvas), generator=torch.Generator().manual_seed(self.seed))


def flat_colours(seed: int) -> Tensor:
    """[COLOURS, 64, 64, 3] 0..1: pictures of one random colour each, for the VAE of the model."""
    return torch.rand(COLOURS, 1, 1, 3, generator=torch.Generator().manual_seed(seed)).expand(-1, 64, 64, -1).contiguous()


def flat_latents(latents: Tensor) -> Tensor:
    """Of encoded flat colours [P, C, h, w] the flat latents [P, C, 1, 1]: their middles, where the edge of the picture is far."""
    h, w = latents.shape[-2:]
    return latents[..., h // 4 : h - h // 4, w // 4 : w - w // 4].mean((-2, -1), keepdim=True)


def random_latents(seed: int, channels: int = 4) -> Tensor:
    """[COLOURS, C, 1, 1]: flat latents where there is no VAE to encode colours with: about as far from one another as colours are."""
    return torch.randn(COLOURS, channels, 1, 1, generator=torch.Generator().manual_seed(seed))


def bootstrapping(marks: Sequence[str], masks: Sequence[Tensor], backgrounds: Tensor, until: float = 0.4, seed: int = 0) -> tuple[Edit, ...]:
    """Bootstrapping as edits. until: the part of the run, 0 (off) to 1; the paper's 20 of 50 steps are 0.4."""
    if not 0 <= until <= 1:
        raise ConcordError(f"bootstrap_percent is {until:g}; it is a part of the run, from 0 to 1")
    return (Bootstrapping(marks=tuple(marks), masks=tuple(masks), backgrounds=backgrounds.float(), window=(0.0, until), seed=seed),)
