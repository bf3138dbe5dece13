"""Small runs with guidance by gradients, for the tests of it."""
from __future__ import annotations

import pytest
import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.looking import look_of
from concord.hosts.diffusers.model import Model
from concord.hosts.diffusers.sample import guided, sample
from concord.processors.latents.gradient import GradientEdit
from concord.processors.latents.guidance.attend_and_excite import attend_and_excite
from concord.processors.latents.guidance.backward import backward_guidance
from concord.processors.latents.guidance.box_diff import box_diff
from concord.processors.regions import Region
from torch import Tensor

from .sampling_models import text

AIMS = ((Region(box=(0.0, 0.0, 0.5, 1.0), words="one"), (2,)), (Region(box=(0.5, 0.0, 1.0, 0.5), words="other"), (4, 5)))
FEW = dict(strength=0.3, iterations=2, window=(0.0, 0.7))
MODES = {
    "backward": lambda aims=AIMS, **how: backward_guidance(aims, **{**FEW, "strength": 0.05, **how}),
    "box_diff": lambda aims=AIMS, **how: box_diff(aims, **{**FEW, "thresholds": ((0.0, 0.9),), **how}),
    "attend_and_excite": lambda aims=AIMS, **how: attend_and_excite(aims, **{**FEW, "thresholds": ((0.0, 0.9),), **how}),
}
by_mode = pytest.mark.parametrize("mode", MODES)


def draw(model: Model, *edits, samples: int | Tensor = 2, canvas=(8, 12), lanes=None, positive=None, steps: int = 4, **more) -> Tensor:
    latent = {"samples": torch.zeros(samples, 4, *canvas) if isinstance(samples, int) else samples, **more}
    return sample(host.attach(model, *edits, lanes=lanes), 3, steps, 3.0, "euler", "normal", positive or text(1), text(2), latent)["samples"]


def started(model: Model, edits, lanes=None, samples: int = 2, canvas=(8, 12)):
    """A run that has begun, and the first gradient edit of it."""
    denoise = guided(host.attach(model, *edits, lanes=lanes), 3.0, {"positive": text(1), "negative": text(2)}, samples, canvas, torch.tensor([9.0, 5.0, 0.0]))
    run = denoise.run
    run.look = look_of(denoise)
    step = run.step(5.0, run.program.lanes.rows([("positive", 0, None, None)], samples))
    return step, next(edit for edit in run.program.edits if isinstance(edit, GradientEdit))
