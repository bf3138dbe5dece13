"""Whole sampling runs equal the naive truth, in float64: techniques of attention, features, windows and latents together, in every order."""
from __future__ import annotations

from itertools import combinations, product
from random import Random

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.tests.engine.table import EVERYTHING, TABLE, composes  # noqa: E402
from concord.tests.engine.toy import far  # noqa: E402
from concord.tests.engine.truth_run import BEYOND, Sampling, by_engine, by_truth  # noqa: E402

LONELY = ("control", "windows", "regions", "paint", "forward", "sharpen", "adapter", "adapter2")  # do something for a single plain image
PAIRS = [*combinations(BEYOND, 2), *product(BEYOND, TABLE)]
SOME = Random(5).sample(PAIRS, 6)
QUICK, CHAINS = 4, 60


def drawn(seed: int) -> Sampling:
    """A chain of up to six, with something outside of attention in it."""
    draw = Random(seed)
    samples = draw.choice((1, 4))
    while True:
        names = tuple(draw.sample([*BEYOND, *TABLE] if samples > 1 else LONELY, draw.randint(2, 6)))
        if composes(names) and set(names) & set(BEYOND):
            return Sampling(names, samples, draw.choice(((8, 12), (9, 7), (7, 11))), draw.choice((1.5, 3.0, 7.5)))


@pytest.mark.parametrize("name", BEYOND)
def test_every_technique_outside_of_attention(name):
    run = Sampling((name,))
    assert far(by_engine(run), by_truth(run)) < 1e-8
    assert far(by_engine(run), by_engine(Sampling(()))) > 1e-2


@pytest.mark.parametrize("names", [pytest.param(pair, marks=() if pair in SOME else pytest.mark.slow) for pair in PAIRS], ids="+".join)
def test_pairs(names):
    assert far(by_engine(Sampling(names)), by_truth(Sampling(names))) < 1e-8


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=() if seed < QUICK else pytest.mark.slow) for seed in range(CHAINS)])
def test_chains(seed):
    run = drawn(seed)
    shuffled = Sampling(tuple(Random(seed).sample(run.names, len(run.names))), run.samples, run.canvas, run.cfg)
    assert far(by_engine(run, 1 if seed % 2 else None), by_truth(run)) < 1e-6  # masks on odd grids are float32
    assert torch.equal(by_engine(shuffled), by_engine(run))


def test_everything():
    run = Sampling((*BEYOND, *EVERYTHING))
    assert far(by_engine(run), by_truth(run)) < 1e-8
