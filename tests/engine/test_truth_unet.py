"""The engine equals the naive reading of the maths in a whole UNet, in float64: every technique, every pair and chains, through the headless host's sites."""
from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers.unet import editing, sites  # noqa: E402
from concord.processors.edit import Stage  # noqa: E402
from concord.processors.rows import Row  # noqa: E402
from concord.tests.engine.table import EVERYTHING, composes  # noqa: E402
from concord.tests.engine.test_truth import CHAINS  # noqa: E402
from concord.tests.engine.toy import TOKENS, batch, far, noise, seed, step_of  # noqa: E402
from concord.tests.engine.truth import naive  # noqa: E402
from concord.tests.engine.truth_unet import TEXT, techniques, unet, written_out  # noqa: E402
from torch import Tensor  # noqa: E402

CANVAS = (8, 12)


def drawn(rows: tuple[Row, ...], sdxl: bool) -> Tensor:
    """What the network predicts for these rows, [R, 4, h, w]."""
    x = torch.stack([noise(seed(row), 4, *CANVAS) for row in rows])
    text = torch.stack([noise(seed(row) + 7, TOKENS, TEXT) for row in rows])
    more = {"text_embeds": noise(1, len(rows), 1280), "time_ids": torch.full((len(rows), 6), 64.0, dtype=torch.float64)} if sdxl else None
    with torch.no_grad():
        return unet(sdxl)(x, torch.tensor(500), text, added_cond_kwargs=more).sample


def by_engine(names: Iterable[str], rows: tuple[Row, ...], sdxl: bool = False) -> Tensor:
    step = step_of(rows, [edit for name in names for edit in techniques()[name].edits])
    with editing(sites(unet(sdxl)), step.run.program.at(Stage.ATTENTION, step), step, CANVAS):
        return drawn(rows, sdxl)


def by_truth(names: Iterable[str], rows: tuple[Row, ...], sdxl: bool = False) -> Tensor:
    with written_out(naive([rule for name in names for rule in techniques()[name].rules], step_of(rows)), CANVAS, sdxl):
        return drawn(rows, sdxl)


NAMES = tuple(techniques())
PAIRS = [pair for pair in combinations(NAMES, 2) if composes(pair)]
EACH = [pytest.param(pair, marks=[pytest.mark.slow] * (number % 5 > 0)) for number, pair in enumerate(PAIRS)]


@pytest.mark.parametrize("names", [(), *[(name,) for name in NAMES], *EACH, *CHAINS], ids=lambda names: "+".join(names) or "nothing")
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
