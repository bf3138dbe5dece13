"""Edits of the canvas between steps: the host's samplers with them, and the same numbers as here."""
from __future__ import annotations

import pytest
import torch

from .here import run_here
from .versions import version

DEEP = True  # in older hosts: slow
SCRIPTS = ("canvas.py",)


def test_canvas(check):
    check()


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    return run_here("canvas.py")


def test_same_numbers(comfy, ours, in_host):
    theirs = in_host("canvas.py", "in_comfyui")
    off = {name: float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in ours
           if version(comfy) >= (0, 8) or "ancestral" not in name}  # before 0.8 the host drew ancestral noise from the generator of the start noise
    assert not {name: value for name, value in off.items() if not value < 1e-4}
    assert torch.equal(*theirs["shared noise only"]) and not torch.equal(*theirs["euler"])
