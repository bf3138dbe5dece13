"""Nothing is left behind, inside every ComfyUI that is there."""
from __future__ import annotations

DEEP = True  # in older hosts: slow
SCRIPTS = ("traces.py",)


def test_traces(check):
    check()
