"""Both hosts see the same word maps, and blend the same; watching changes nothing in any ComfyUI."""
from __future__ import annotations

import pytest
import torch

from .here import run_here
from .versions import version

DEEP = True  # in older hosts: slow
SCRIPTS = ("watching.py",)


def test_watching(check):
    check()


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    return run_here("maps.py")


def test_same_numbers(comfy, in_host, ours):
    theirs = in_host("maps.py", "in_comfyui")
    assert set(theirs) == set(ours) and len(ours) > 20
    for name, made in theirs.items():
        if "ancestral" in name and version(comfy) < (0, 8):
            continue  # it drew the step noise from the start noise's generator
        assert made.isfinite().all() and made.shape == ours[name].shape, name
        assert (made - ours[name]).abs().max() < 1e-4 * made.abs().max(), name


def test_what_is_blended_differs_from_what_is_not(ours):
    blended = [made for name, made in ours.items() if "blended" in name]
    assert all((one[1] - other[1]).abs().max() > 1e-2 for i, one in enumerate(blended) for other in blended[:i])
    assert all(torch.allclose(made[0], blended[0][0], atol=1e-4) for made in blended)
    assert all(0 < (made[1] == made[0]).float().mean() < 1 for made in blended)
