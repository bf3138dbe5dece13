"""Shared group norms are the authors' (Hertz et al., arXiv 2312.02133): as if the reference were joined to every image along its height."""
from __future__ import annotations

import pytest
import torch
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.features.group_norm import ShareGroupNorm, norms_shared
from concord.processors.rows import Lanes, Row, View
from concord.processors.run import Run, Step
from torch import Tensor, nn

GROUPS, CHANNELS, GRID = 4, 12, (3, 5)
TWO_GROUPS = Lanes(((0, "reference", 0), (2, "reference", 1), (1, "plain", 0), (3, "plain", 1)))
ONE = Lanes(((1, "reference", 0),))


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * (1 + seed) + seed


def norm(affine: bool = True) -> nn.GroupNorm:
    made = nn.GroupNorm(GROUPS, CHANNELS, affine=affine, dtype=torch.float64)
    if affine:
        made.weight.data, made.bias.data = noise(1, CHANNELS), noise(2, CHANNELS)
    return made.requires_grad_(False)


def step(lanes: Lanes = ONE, samples: int = 4, branches=("positive", "negative"), rows=None, run: Run | None = None, **settings) -> Step:
    run = run or Run(Program.of((ShareGroupNorm(**settings),), lanes), samples)
    return run.step(1.0, lanes.rows([(branch, 0, None, None) for branch in branches], samples) if rows is None else rows)


def images(rows) -> Tensor:
    return torch.stack([noise(10 * ("positive", "negative").index(row.branch) + row.sample, CHANNELS, *GRID) for row in rows])


def stacked(at: Step, x: Tensor, module: nn.Module) -> Tensor:
    """The authors' way, image by image: joined along the height, and cut again."""
    out = []
    for i, row in enumerate(at.rows):
        giver = next(j for j, other in enumerate(at.rows) if other.lane == "reference" and other.place == row.place
                     and other.group == at.giving_group("reference", row.group))
        out.append(module(torch.cat([x[i : i + 1], x[giver : giver + 1]], -2))[..., : GRID[0], :])
    return torch.cat(out)


@pytest.mark.parametrize("affine", (True, False))
@pytest.mark.parametrize("lanes", (ONE, TWO_GROUPS), ids=("one reference", "two groups"))
def test_as_if_stacked_along_the_height(lanes, affine):
    at, module = step(lanes), norm(affine)
    x = images(at.rows)
    with norms_shared(at):
        out = module(x)
    assert (out - stacked(at, x, module)).abs().max() < 1e-12
    assert (out - module(x)).abs().max() > 0.1


def test_the_reference_is_what_it_is_alone_to_the_bit():
    at, module = step(), norm()
    x = images(at.rows)
    with norms_shared(at):
        out = module(x)
    assert all(torch.equal(out[i], module(x)[i]) for i, row in enumerate(at.rows) if row.lane == "reference")


def test_joint_and_split_branches_and_any_order_of_rows():
    joint, module = step(TWO_GROUPS), norm()
    x = images(joint.rows)
    with norms_shared(joint):
        whole = module(x)
    for order in ([0, 1, 2, 3], [4, 5, 6, 7], [7, 2, 5, 0, 3, 6, 1, 4]):
        part = step(TWO_GROUPS, rows=[joint.rows[i] for i in order])
        with norms_shared(part):
            assert (module(x[order]) - whole[order]).abs().max() < 1e-12


def test_views_do_not_mix():
    rows = [Row("positive", i, *ONE.row(i), View(0, x, 3, 5, (3, 8))) for x in (0, 3) for i in range(3)]
    at, module = step(rows=rows, samples=3), norm()
    x = noise(3, 6, CHANNELS, *GRID)
    with norms_shared(at):
        out = module(x)
    assert (out - stacked(at, x, module)).abs().max() < 1e-12


def test_a_reference_of_an_earlier_call_lends_its_statistics():
    whole = step()
    x, modules = images(whole.rows), (norm(), norm(False))
    with norms_shared(whole):
        expected = modules[1](modules[0](x))
    run = Run(whole.run.program, 4, keep=frozenset({"reference"}))
    for lane in ("reference", "plain"):
        at = [i for i, row in enumerate(whole.rows) if row.lane == lane]
        part = step(rows=[whole.rows[i] for i in at], run=run)
        with norms_shared(part):
            assert (modules[1](modules[0](x[at])) - expected[at]).abs().max() < 1e-12
    lent = [value for key, bank in run.bank(0).items() for value in bank.values()]
    assert len(lent) == 4 and all(part.numel() == GROUPS for norm in lent for part in norm)


def test_a_missing_reference_is_refused():
    lonely = step(rows=[row for row in step().rows if row.lane == "plain"])
    with norms_shared(lonely), pytest.raises(ConcordError, match="none was recorded before it"):
        norm()(images(lonely.rows))


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16, torch.float32))
def test_half_precision_is_summed_in_full(dtype):
    at, module = step(), norm().to(dtype)
    x = (images(at.rows) * 40).to(dtype)
    with norms_shared(at):
        out = module(x)
    assert out.dtype == dtype and out.isfinite().all()
    assert (out.double() - stacked(at, x.double(), norm())).abs().max() / out.abs().max() < {torch.float32: 1e-5}.get(dtype, 2e-2)


def test_nothing_is_entered_where_it_does_not_act():
    program = Program.of((ShareGroupNorm(window=(0.5, 1.0)),), ONE)
    early = Run(program, 4, progress_of=lambda sigma: 0.2).step(1.0, ONE.rows([("positive", 0, None, None)], 4))
    x, module = images(early.rows), norm()
    with norms_shared(early) as entered:
        assert entered is None and torch.equal(module(x), module(x))


def test_another_batch_inside_the_network_is_refused():
    with norms_shared(step()), pytest.raises(ConcordError, match="sees 3 rows, the call has 8"):
        norm()(noise(1, 3, CHANNELS, *GRID))
