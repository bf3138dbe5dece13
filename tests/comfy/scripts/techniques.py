"""What the contract scripts share: small models, the techniques with typical and neutral settings, and counters."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.edit import AttentionEdit, Order
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.program import Segment, Term

Setup = tuple  # model, positive, negative


@dataclass(frozen=True)
class Technique:
    """apply and neutral: setup -> setup."""

    name: str
    apply: Callable[[Setup], Setup]
    neutral: Callable[[Setup], Setup]


@cache
def model():
    return kit.unet()


@cache
def control_net():
    return kit.control_net()


def hint():
    return torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(5))


def attached(*edits, lanes=None) -> Callable[[Setup], Setup]:
    return lambda setup: (host.attach(setup[0], *edits, lanes=lanes), *setup[1:])


def prompted(weight: float) -> Callable[[Setup], Setup]:
    """Random image tokens through the model's own projections, others for the negative."""
    random = lambda seed: torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(seed))
    return attached(*image_prompt(random(7), random(8), weight=weight))


def controlled(strength: float) -> Callable[[Setup], Setup]:
    return lambda setup: (setup[0], *host.apply_control(*setup[1:], control_net(), hint(), ControlResiduals(strength=strength)))


TECHNIQUES = (
    Technique("StyleAligned", attached(*style_aligned(), lanes=reference_lane()), attached(*style_aligned(share=False, adain=""))),
    Technique("MultiDiffusion", attached(*multidiffusion((8, 8), (4, 4))), attached(*multidiffusion((64, 64), (8, 8)))),
    Technique("ApplyControlNet", controlled(0.7), controlled(0.0)),
    Technique("DecoupledCrossAttn", prompted(0.8), prompted(0.0)),
)
STYLE, WINDOWS, CONTROL, PICTURE = TECHNIQUES


def plain() -> Setup:
    return model(), kit.conditioning(1), kit.conditioning(2)


def everything(setup: Setup) -> Setup:
    for technique in TECHNIQUES:
        setup = technique.apply(setup)
    return setup


def latent(rows: int = 2, height: int = 8, width: int = 12):
    return torch.zeros(rows, 4, height, width)


def run(setup: Setup, canvas=None, **settings):
    """The samples, checked to be finite."""
    samples = kit.sample(*setup, latent() if canvas is None else canvas, **{"steps": 1, **settings})
    assert samples.isfinite().all()
    return samples


def assert_same(a, b, tolerance: float = 1e-4) -> None:
    """Equal but for rounding: relative to the largest value."""
    error = float((a - b).abs().max() / b.abs().max())
    assert error <= tolerance, f"differs by {error:.2g}, allowed {tolerance:g}"


def assert_differs(a, b) -> None:
    error = float((a - b).abs().max() / b.abs().max())
    assert error > 1e-3, f"differs only by {error:.2g}"


class AddTokens(AttentionEdit):
    """Image tokens beside the prompt in their own softmax, as an IP-Adapter adds them; random ones."""

    technique, order, kind = "AddTokens", Order.TERMS, "cross"

    def rewrite(self, plan, site, step):
        tokens = torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(7))
        rows = step.where(self)
        k, v = (part.expand(len(rows), -1, -1, -1) for part in site.project(tokens))
        return plan.change(rows, lambda mine: (*mine.terms, Term(plan.own.q[list(mine.rows)], (Segment(self.id, k[: len(mine.rows)], v[: len(mine.rows)]),))))


def ours(setup):
    """Edits of self-attention and of cross-attention, and all else."""
    setup = everything(setup)
    return host.attach(setup[0], AddTokens()), *setup[1:]


@cache
def ours_alone():
    return run(ours(plain()))


def before_and_after(hook) -> tuple:
    """Samples with a hook set on the model before our nodes, and after them."""
    below = model().clone()
    hook(below)
    above = ours(plain())[0].clone()
    hook(above)
    return run(ours((below, *plain()[1:]))), run((above, *ours(plain())[1:]))


def hooked(hook):
    """The hook alone."""
    alone = model().clone()
    hook(alone)
    return run((alone, *plain()[1:]))
