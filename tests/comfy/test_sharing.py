"""Pictures that look at one another: the same numbers in both hosts, and what has to hold inside ComfyUI."""
from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

DEEP = True  # in older hosts: slow
SCRIPTS = ("sharing.py",)


def test_sharing(check):
    check()


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    pytest.importorskip("diffusers", reason="the headless extra is not installed")
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("sharing", Path(__file__).parent / "scripts/sharing.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.in_diffusers()


def test_same_numbers(comfy, ours, in_host):
    theirs = in_host("sharing.py", "in_comfyui")
    off = {name: float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in ours}
    assert set(ours) == set(theirs) and len(off) > 20
    assert not {name: value for name, value in off.items() if not value < 1e-4}


def test_every_case_does_something(ours):
    assert all(torch.isfinite(made).all() for made in ours.values())
    alike = [(a, b) for a in ours for b in ours if a < b and ours[a].shape == ours[b].shape and torch.allclose(ours[a], ours[b], atol=1e-3)]
    assert not alike
