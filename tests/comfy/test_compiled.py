"""Our nodes on a compiled network, inside every ComfyUI that is there."""
from __future__ import annotations

import pytest

SCRIPTS = ("compiled.py",)
pytestmark = pytest.mark.slow  # compiling takes a minute


def test_compiled(check):
    check()
