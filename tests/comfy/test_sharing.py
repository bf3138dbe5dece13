"""Pictures that look at one another: the same numbers in both hosts, and what has to hold inside ComfyUI."""
from __future__ import annotations

import pytest
import torch

from .here import run_here

DEEP = True  # in older hosts: slow
SCRIPTS = ("sharing.py",)


def test_sharing(check):
    check()


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    return run_here("sharing.py")


def test_same_numbers(comfy, ours, in_host):
    theirs = in_host("sharing.py", "in_comfyui")
    off = {name: float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in ours}
    assert set(ours) == set(theirs) and len(off) > 20
    assert not {name: value for name, value in off.items() if not value < 1e-4}


def test_every_case_does_something(ours):
    assert all(torch.isfinite(made).all() for made in ours.values())
    alike = [(a, b) for a in ours for b in ours if a < b and ours[a].shape == ours[b].shape and torch.allclose(ours[a], ours[b], atol=1e-3)]
    assert not alike
