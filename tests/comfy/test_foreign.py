"""Windows cut by hand, and other packs' and the host's own patches beside ours, inside every ComfyUI that is there."""
from __future__ import annotations

DEEP = True  # in older hosts: slow
SCRIPTS = ("windows.py", "foreign_replace.py", "foreign_hooks.py", "neighbours.py")


def test_foreign(check):
    check()
