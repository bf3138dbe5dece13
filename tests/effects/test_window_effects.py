"""Windows and their regions have their effect on the practice model: numbers that move the right way, with room to spare."""
from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.practice import window_effects as effects  # noqa: E402
from concord.practice.studio import Studio  # noqa: E402


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(steps=12)
