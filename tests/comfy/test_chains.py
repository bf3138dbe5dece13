"""Random chains of techniques, inside every ComfyUI that is there."""
from __future__ import annotations

import pytest

DEEP = True  # in older hosts: slow
BLOCK, ALL = 10, 300


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(BLOCK, ALL, BLOCK))])
def test_chains(in_host, first):
    assert in_host("chains.py", "run_chains", first=first, last=first + BLOCK)["chains"] == BLOCK
