"""MultiDiffusion, its regions and its refinement of pictures: the same numbers in both hosts."""
from __future__ import annotations

import pytest
import torch

from .here import run_here

DEEP = True  # in older hosts: slow


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    return run_here("space.py")


def test_same_numbers(comfy, ours, in_host):
    theirs = in_host("space.py", "in_comfyui")
    off = {name: float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in ours}
    assert set(ours) == set(theirs) and len(off) == 10
    assert not {name: value for name, value in off.items() if not value < 1e-4}


def test_every_case_does_something(ours):
    assert all(torch.isfinite(made).all() for made in ours.values())
    regions = [ours[name] for name in ours if name.startswith("regions") and name.endswith(("regions", "VAE", "bootstrapping", "picture"))]
    assert len(regions) == 4
    for i, one in enumerate(regions):
        assert all(float((one - other).abs().max() / one.abs().max()) > 1e-3 for other in regions[:i])
