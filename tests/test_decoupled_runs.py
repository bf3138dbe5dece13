"""Image prompts over whole headless runs: batches, masks, curves, negatives, split calls and windows against their naive reading."""
from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from concord.hosts.diffusers import host
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample
from concord.processors.edit import Edit
from torch import Tensor

from .comfy.scripts import prompted_runs as runs
from .image_adapter_files import network
from .sampling_models import noise

WIDTH = 768


@cache
def model() -> Model:
    return Model(network("sd15"), latent=LatentFormat(scale=1.0))


def draw(edits: tuple[Edit, ...], x: Tensor, steps: int, rows: int | None = None) -> Tensor:
    """`x` is what the run begins with, in the place of noise."""
    prompts = ([[noise(1, 77, WIDTH, seed=seed), {}]] for seed in (1, 2))
    attached = host.attach(model(), *edits)
    attached = attached if rows is None else replace(attached, rows_per_call=rows)
    return sample(attached, 0, steps, 4.0, "euler", "normal", *prompts, {"samples": 10 * x}, add_noise=False)["samples"]


def apart(edits: tuple[Edit, ...], x: Tensor, steps: int) -> Tensor:
    return draw(edits, x, steps, rows=1)


@pytest.mark.parametrize("check", (runs.each_picture_is_as_in_a_run_of_its_own, runs.windows_are_as_if_cut_by_hand), ids=lambda check: check.__name__)
def test_runs(check):
    check(WIDTH, draw, apart)
