"""The engine equals the naive reading of the maths in a whole UNet, in float64: every technique, every pair and chains, through the headless host's sites."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers.unet import editing, grid, sites  # noqa: E402
from concord.processors.edit import Stage  # noqa: E402
from concord.processors.rows import Row, Site  # noqa: E402
from concord.tests import sampling_models  # noqa: E402
from concord.tests.engine.table import EVERYTHING, Technique, composes, table  # noqa: E402
from concord.tests.engine.test_truth import CHAINS  # noqa: E402
from concord.tests.engine.toy import TOKENS, At, batch, far, noise, seed, step_of  # noqa: E402
from concord.tests.engine.truth import naive  # noqa: E402
from torch import Tensor  # noqa: E402

CANVAS, TEXT = (8, 12), 64


@cache
def unet(sdxl: bool = False) -> Any:
    return sampling_models.unet(sdxl=sdxl).double()


@cache
def techniques(sdxl: bool = False) -> dict[str, Technique]:
    return table(TEXT, [module.to_k.out_features for site, module, _ in sites(unet(sdxl)) if site.kind == "cross"])


def drawn(rows: tuple[Row, ...], sdxl: bool) -> Tensor:
    """What the network predicts for these rows, [R, 4, h, w]."""
    x = torch.stack([noise(seed(row), 4, *CANVAS) for row in rows])
    text = torch.stack([noise(seed(row) + 7, TOKENS, TEXT) for row in rows])
    more = {"text_embeds": noise(1, len(rows), 1280), "time_ids": torch.full((len(rows), 6), 64.0, dtype=torch.float64)} if sdxl else None
    with torch.no_grad():
        return unet(sdxl)(x, torch.tensor(500), text, added_cond_kwargs=more).sample


def by_engine(names: Iterable[str], rows: tuple[Row, ...], sdxl: bool = False) -> Tensor:
    step = step_of(rows, [edit for name in names for edit in techniques(sdxl)[name].edits])
    with editing(sites(unet(sdxl)), step.run.program.at(Stage.ATTENTION, step), step, CANVAS):
        return drawn(rows, sdxl)


def by_truth(names: Iterable[str], rows: tuple[Row, ...], sdxl: bool = False) -> Tensor:
    with written_out(naive([rule for name in names for rule in techniques(sdxl)[name].rules], step_of(rows)), sdxl):
        return drawn(rows, sdxl)


@dataclass(frozen=True)
class WrittenOut:
    """In the place of a site's processor."""

    site: Site
    at: At

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_, **__) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (t.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for t in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)))
        return attn.to_out[0](self.at(self.site, q, k, v).transpose(1, 2).flatten(2))


@contextmanager
def written_out(at: At, sdxl: bool) -> Iterator[None]:
    standing = [(module, module.processor) for _, module, _ in sites(unet(sdxl))]
    for site, module, level in sites(unet(sdxl)):
        module.set_processor(WrittenOut(replace(site, grid=grid(CANVAS, level)), at))
    try:
        yield
    finally:
        for module, processor in standing:
            module.set_processor(processor)


NAMES = tuple(techniques())
PAIRS = [pair for pair in combinations(NAMES, 2) if composes(pair)]


@pytest.mark.parametrize("names", [(), *[(name,) for name in NAMES], *PAIRS, *CHAINS], ids=lambda names: "+".join(names) or "nothing")
def test_every_technique_and_every_pair(names):
    rows = batch(4)
    assert far(by_engine(names, rows), by_truth(names, rows)) < 1e-8


@pytest.mark.parametrize("samples", (1, 8))
@pytest.mark.parametrize("sdxl", (False, True), ids=("SD 1.x", "SDXL"))
def test_other_batches_and_sdxl(samples, sdxl):
    rows, names = batch(samples), EVERYTHING if samples > 1 else ("regions", "paint", "sharpen", "adapter")
    assert far(by_engine(names, rows, sdxl), by_truth(names, rows, sdxl)) < 1e-8


def test_the_network_is_as_sensitive_as_a_trained_one():
    """So that being equal says something."""
    rows = batch(4)
    for name in NAMES:
        assert far(by_engine((name,), rows), by_engine((), rows)) > 1e-3, name
