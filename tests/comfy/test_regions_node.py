"""The Regions node inside ComfyUI."""
from __future__ import annotations

SCRIPTS = ("regions_node.py",)


def test_regions_node(check):
    check()
