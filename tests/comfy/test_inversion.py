"""Inversion and null-text inside ComfyUI, and the same numbers as here."""
from __future__ import annotations

import pytest
import torch

from .here import run_here

DEEP = True  # in older hosts: slow
SCRIPTS = ("inversion.py",)


def test_inversion(check):
    check()


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    return run_here("inversion.py")


def test_same_numbers(ours, in_host):
    theirs = in_host("inversion.py", "in_comfyui")
    off = {name: float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in ours}
    assert not {name: value for name, value in off.items() if not value < 1e-4}
