"""What every technique keeps, alone (design: section 7). Each test runs for each row of the table."""
from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.processors.errors import ConcordError  # noqa: E402

from . import techniques as t  # noqa: E402

EACH = [pytest.param(technique, id=technique.name, marks=[pytest.mark.slow] * (technique in t.COSTLY[1:])) for technique in t.TECHNIQUES]
pytestmark = pytest.mark.parametrize("technique", EACH)


@pytest.fixture
def run(technique) -> Callable[..., torch.Tensor]:
    """A run of a batch that has all of the technique's lanes."""
    return lambda setup, samples=2, *canvas, **settings: t.run(setup, t.enough(technique, samples), *canvas, **settings)


def test_neutral_changes_nothing_to_the_bit(technique, run):
    assert torch.equal(run(technique.neutral(t.plain())), run(t.plain()))


@pytest.mark.parametrize("settings", ["typical", "other"])
def test_settings_change_what_they_address_and_nothing_else(technique, settings, run):
    with_it, without = run(getattr(technique, settings)(t.plain()), samples=3), run(t.plain(), samples=3)
    for i in range(3):
        if i in technique.spares:
            assert t.far(with_it[i], without[i]) < 1e-5
        else:
            assert t.far(with_it[i], without[i]) > 1e-3


def test_joint_and_split_branches(technique, run):
    setup = technique.typical(t.plain())
    assert t.far(run(t.split(setup), samples=3), run(setup, samples=3)) < 1e-4


slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize("samples,canvas,cfg", [slow(1, (8, 12), 3.0), (4, (9, 13), 3.0), slow(2, (7, 5), 3.0), (2, (8, 12), 1.0)])
def test_batches_odd_sizes_and_cfg_1(technique, samples, canvas, cfg, run):
    setup = technique.typical(t.plain())
    out = run(setup, samples, canvas, cfg=cfg)
    assert t.far(run(t.split(setup), samples, canvas, cfg=cfg), out) < 1e-4


def test_prompts_of_different_lengths(technique, run):
    model, positive, negative = technique.typical((t.model(), t.networks.text(1, 154), t.networks.text(2)))
    if technique.chunk:
        with pytest.raises(ConcordError, match="77"):
            run((model, positive, negative))
        return
    assert t.far(run(t.split((model, positive, negative))), run((model, positive, negative))) < 1e-4


@pytest.mark.parametrize("keys", [slow({}), {"area": (8, 8, 0, 4)}, slow({"mask": torch.zeros(1, 64, 96)})], ids=["whole", "area", "empty mask"])
def test_two_positives(technique, keys, run):
    setup = technique.typical((t.model(), t.networks.text(1) + t.networks.text(3, **keys), t.networks.text(2)))
    assert t.far(run(t.split(setup)), run(setup)) < 1e-4


def test_a_b_a_leaves_no_trace(technique, run):
    before = {name: weight.clone() for name, weight in t.model().network.state_dict().items()}
    processors = dict(t.model().network.attn_processors)
    first, plain = run(technique.typical(t.plain())), run(t.plain())
    assert torch.equal(run(technique.typical(t.plain())), first) and torch.equal(run(t.plain()), plain)
    assert all(torch.equal(weight, before[name]) for name, weight in t.model().network.state_dict().items())
    assert t.model().network.attn_processors == processors


def test_interruption_leaves_no_trace(technique, run):
    def stop(step, *_):
        if step == 1:
            raise KeyboardInterrupt

    setup, processors = technique.typical(t.plain()), dict(t.model().network.attn_processors)
    expected = run(setup, steps=3)
    with pytest.raises(KeyboardInterrupt):
        run(setup, steps=3, callback=stop)
    assert torch.equal(run(setup, steps=3), expected) and t.model().network.attn_processors == processors


def test_survives_a_deep_copy_of_its_program(technique):
    model, positive, negative = technique.typical(t.plain())
    assert copy.deepcopy(model.program) is model.program


def test_two_runs_interleaved(technique, run):
    """A run that is started inside another changes neither."""
    setup, inner = technique.typical(t.plain()), []
    expected, other = run(setup), run(technique.other(t.plain()))
    out = run(setup, callback=lambda step, *_: inner.append(run(technique.other(t.plain()))))
    assert torch.equal(out, expected) and inner and all(torch.equal(made, other) for made in inner)
