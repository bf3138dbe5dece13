"""In every ComfyUI that is there: each editing technique works, or is refused clearly, with each sampler, scheduler and part of a run."""
from __future__ import annotations

import pytest

SCRIPTS = ("editing_everywhere.py",)
pytestmark = pytest.mark.slow  # all samplers and all schedulers; tests/test_editing_everywhere.py is the quick one


def test_editing_everywhere(check):
    check()
