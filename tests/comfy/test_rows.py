"""Whatever rows and entries the host puts into a call, the picture is the same, inside every ComfyUI that is there."""
from __future__ import annotations

DEEP = True  # in older hosts: slow
SCRIPTS = ("rows.py", "entries.py")


def test_rows(check):
    check()
