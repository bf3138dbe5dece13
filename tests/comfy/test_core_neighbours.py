"""What the host brings, inside every ComfyUI that is there."""
from __future__ import annotations

DEEP = True  # in older hosts: slow
SCRIPTS = ("core_neighbours.py",)


def test_core_neighbours(check):
    check()
