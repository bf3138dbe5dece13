"""Both hosts give the same numbers for the same weights over whole runs, with every technique, alone and together."""
from __future__ import annotations

import pytest
import torch

from .here import run_here
from .versions import version

DEEP = True  # in older hosts: slow
CASES = (
    "plain", "aligned", "aligned otherwise", "aligned at cfg 1", "aligned, 154 tokens and 77", "aligned, two positives with an area", "windows",
    "windows, gaussian, all around", "windows, odd sizes", "windows, area and mask", "windows all around, area", "controlled", "controlled twice",
    "all three", "all three, ancestral", "all three, other order", "pictured", "pictured, plus", "pictured, plus, with a negative", "pictured at cfg 1",
    "pictured one each, masked, odd sizes", "pictured, prompts of 154 and 77, two positives with an area", "pictured windows", "all four",
    "all four, other order",
)  # fmt: skip


@pytest.fixture(scope="session")
def ours() -> dict[str, torch.Tensor]:
    return run_here("agreement.py")


@pytest.fixture(scope="session")
def theirs(in_host) -> dict[str, torch.Tensor]:
    return in_host("agreement.py", "in_comfyui")


@pytest.mark.parametrize("case", CASES)
def test_same_numbers(comfy, ours, theirs, case):
    if "ancestral" in case and version(comfy) < (0, 8):
        pytest.skip("ComfyUI drew the step noise of ancestral samplers from the start noise's generator before 0.8")
    assert set(ours) == set(theirs) == set(CASES)
    assert torch.isfinite(theirs[case]).all()
    assert (ours[case] - theirs[case]).abs().max() / theirs[case].abs().max() < 1e-4


def test_order_of_nodes_leaves_no_trace(ours, theirs):
    for made in (ours, theirs):
        assert torch.equal(made["all three"], made["all three, other order"])
        assert torch.equal(made["all four"], made["all four, other order"])


def test_every_case_does_something(ours, theirs):
    alike = [(a, b) for a in CASES for b in CASES if a < b and b != f"{a}, other order"
             and ours[a].shape == ours[b].shape and torch.allclose(ours[a], ours[b], atol=1e-3)]
    assert not alike


def test_the_reference_is_as_in_its_single_run(ours, theirs):
    assert torch.allclose(ours["aligned"][0], ours["plain"][0], atol=1e-5)
