"""In every ComfyUI that is there: each editing technique works, or is refused clearly, with each sampler, scheduler and part of a run."""
from __future__ import annotations

DEEP = True  # in older hosts: slow
SCRIPTS = ("editing_everywhere.py",)


def test_editing_everywhere(check):
    check()
