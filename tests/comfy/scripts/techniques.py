"""What the contract scripts share: the rows of tests/contract in this host, small models, and comparisons."""
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace

import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.processors.edit import AttentionEdit, Order
from concord.processors.program import Segment, Term
from technique_rows import ROWS, Kit, Setup, compatible

KIT = Kit(host, lambda: control_net())
TECHNIQUES = tuple(row(KIT) for row in ROWS)
QUICK = tuple(technique for technique in TECHNIQUES if not technique.costly)  # the others go with all of these: chains.py
STYLE, WINDOWS, CONTROL, PICTURE, ADAIN = TECHNIQUES[:5]


@cache
def model():
    return kit.unet()


@cache
def control_net():
    return kit.control_net()


def plain() -> Setup:
    return model(), kit.conditioning(1), kit.conditioning(2)


def everything(setup: Setup, chunks: int = 1) -> Setup:
    """All quick techniques that go together, with prompts of so many chunks."""
    return all_of([technique for technique in QUICK if chunks == 1 or not technique.chunk], setup)


def alone_or_together(techniques, thorough: bool) -> Sequence:
    """Each of the techniques; when there is no time all in one, which is all of their edits in fewer runs."""
    return techniques if thorough else (SimpleNamespace(name="all together", typical=lambda setup: all_of(techniques, setup)),)


def all_of(techniques, setup: Setup) -> Setup:
    for technique in compatible(techniques):
        setup = technique.typical(setup)
    return setup


def latent(rows: int = 3, height: int = 8, width: int = 12):
    return torch.zeros(rows, 4, height, width)


def run(setup: Setup, canvas=None, **settings):
    """The samples, checked to be finite."""
    samples = kit.sample(*setup, latent() if canvas is None else canvas, **{"steps": 1, **settings})
    assert samples.isfinite().all()
    return samples


def assert_same(a, b, tolerance: float = 1e-4, what: str = "it") -> None:
    """Equal but for rounding: relative to the largest value."""
    error = float((a - b).abs().max() / b.abs().max())
    assert error <= tolerance, f"{what} differs by {error:.2g}, allowed {tolerance:g}"


def assert_differs(a, b, what: str = "it") -> None:
    error = float((a - b).abs().max() / b.abs().max())
    assert error > 1e-3, f"{what} differs only by {error:.2g}"


class AddTokens(AttentionEdit):
    """Image tokens beside the prompt in their own softmax, as an IP-Adapter adds them; random ones."""

    technique, order, kind = "AddTokens", Order.TERMS, "cross"

    def rewrite(self, plan, site, step):
        tokens = torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(7))
        rows = step.where(self)
        k, v = (part.expand(len(rows), -1, -1, -1) for part in site.project(tokens))
        return plan.change(rows, lambda mine: (*mine.terms, Term(plan.own.q[list(mine.rows)], (Segment(self.id, k[: len(mine.rows)], v[: len(mine.rows)]),))))


def ours(setup, chunks: int = 1):
    """Edits of self-attention and of cross-attention, and all else."""
    setup = everything(setup, chunks)
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
