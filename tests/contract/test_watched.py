"""Watching the attention changes nothing to the bit, with every technique of the table, before and after it, and all together."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.processors.attention.attention_maps import attention_maps  # noqa: E402

from . import techniques as t  # noqa: E402


def watched(setup):
    edit, maps = attention_maps((("cat", (2, 3)), ("dog", (5,))))
    return t.KIT.attached(edit)(setup), maps


@pytest.mark.parametrize("technique", t.TECHNIQUES, ids=lambda technique: technique.name)
def test_each_technique(technique):
    after, seen = watched(technique.typical(t.plain()))
    before, seen_too = watched(t.plain())
    run = lambda setup: t.run(setup, t.enough(technique))
    alone = run(technique.typical(t.plain()))
    assert torch.equal(run(after), alone) and torch.equal(run(technique.typical(before)), alone)
    for grid, (found, often) in seen.found.items():
        assert found.isfinite().all() and torch.equal(found, seen_too.found[grid][0]) and often == seen_too.found[grid][1]


def test_all_together_joint_and_split():
    setup = t.plain()
    for technique in t.TOGETHER:
        setup = technique.typical(setup)
    (joint, seen), (split, others) = watched(setup), watched(t.split(setup))
    assert torch.equal(t.run(joint, 3), t.run(setup, 3))
    t.run(split, 3)
    assert seen.found.keys() == others.found.keys()
    assert all(t.far(others.found[grid][0], found) < 1e-4 for grid, (found, _) in seen.found.items())
