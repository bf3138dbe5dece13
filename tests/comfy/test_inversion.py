"""Inversion and null-text inside ComfyUI, and the same numbers as here."""
from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

DEEP = True  # in older hosts: slow
SCRIPTS = ("inversion.py",)


def test_inversion(check):
    check()


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    pytest.importorskip("diffusers", reason="the headless extra is not installed")
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("inversion_runs", Path(__file__).parent / "scripts/inversion.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.in_diffusers()


def test_same_numbers(ours, in_host):
    theirs = in_host("inversion.py", "in_comfyui")
    off = {name: float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in ours}
    assert not {name: value for name, value in off.items() if not value < 1e-4}
