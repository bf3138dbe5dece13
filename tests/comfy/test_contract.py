"""The contract that every technique keeps, inside every ComfyUI that is there."""
from __future__ import annotations

SCRIPTS = ("sites.py", "contract.py", "refusals.py")


def test_contract(check):
    check()
