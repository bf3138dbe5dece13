"""Windows that share model calls inside ComfyUI."""
from __future__ import annotations

DEEP = True  # in older hosts: slow
SCRIPTS = ("view_batches.py", "gligen_boxes.py")


def test_view_batches(check):
    check()
