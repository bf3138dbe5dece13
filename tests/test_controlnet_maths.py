"""ControlNet: residuals are weighed and add up; nothing where strength is 0."""
from __future__ import annotations

import pytest
import torch
from concord.processors.edit import Program, Stage
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.features.residuals import Residuals
from concord.processors.run import Run
from torch import Tensor


def noise(seed: int) -> Tensor:
    return torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


A = Residuals((noise(1), None, noise(2)), (noise(3),), (None, noise(4)))
B = Residuals((noise(5), noise(6)), (), (noise(7), noise(8), None))


def same(a: Residuals, b: Residuals) -> bool:
    return all(len(x) == len(y) and all((p is q is None) or torch.equal(p, q) for p, q in zip(x, y, strict=True)) for x, y in zip(a, b, strict=True))


def test_times_weighs_every_tensor_and_keeps_what_is_nothing():
    half = A.times(0.5)
    assert torch.equal(half.skips[0], A.skips[0] * 0.5) and torch.equal(half.middle[0], A.middle[0] * 0.5) and torch.equal(half.inputs[1], A.inputs[1] * 0.5)
    assert half.skips[1] is None and half.inputs[0] is None


def test_plus_adds_block_by_block_and_a_shorter_list_goes_with_the_first():
    both = A.plus(B)
    assert torch.equal(both.skips[0], A.skips[0] + B.skips[0])
    assert both.skips[1] is B.skips[1] and both.skips[2] is A.skips[2]
    assert both.middle == A.middle
    assert both.inputs[0] is B.inputs[0] and torch.equal(both.inputs[1], A.inputs[1] + B.inputs[1]) and both.inputs[2] is None


def test_plus_commutes_and_nothing_is_its_zero():
    assert same(A.plus(B), B.plus(A)) and same(A.plus(Residuals()), A) and same(Residuals().plus(A), A)


def test_weighing_distributes_over_adding():
    left, right = A.plus(B).times(0.3), A.times(0.3).plus(B.times(0.3))
    for x, y in zip(left, right, strict=True):
        for p, q in zip(x, y, strict=True):
            assert (p is None and q is None) or torch.allclose(p, q, atol=1e-14)


@pytest.mark.parametrize("strength", (0.25, -1.0, 2.0))
def test_strength_is_a_factor(strength):
    assert same(ControlResiduals(strength=strength).weigh(A, Run().step(1.0, ())), A.times(strength))


def test_full_strength_gives_the_very_tensors():
    assert ControlResiduals().weigh(A, Run().step(1.0, ())) is A


def test_strength_zero_drops_out():
    assert not Program.of([ControlResiduals(strength=0.0)]) and Program.of([ControlResiduals(strength=0.1)])


def test_two_controls_of_one_kind_add_up():
    assert len(Program.of([ControlResiduals(strength=0.5)] * 2).edits) == 2


def test_only_inside_its_window():
    program = Program.of([ControlResiduals(window=(0.25, 0.5))])
    run = Run(program, progress_of=lambda sigma: sigma)
    assert [progress for progress in (0.0, 0.25, 0.4, 0.5, 1.0) if program.at(Stage.FEATURES, run.step(progress, ()))] == [0.25, 0.4]


def test_nothing_given_is_written():
    before = A.skips[0].clone()
    A.times(3.0), A.plus(B)
    assert torch.equal(A.skips[0], before)
