"""Models for inpainting and for editing by instruction, inside every ComfyUI that is there."""
from __future__ import annotations

DEEP = True  # in older hosts: slow
SCRIPTS = ("concat_models.py", "concat_windows.py")


def test_concat_models(check):
    check()
