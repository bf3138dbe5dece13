"""Windows and their regions have their effect on the practice model: numbers that move the right way, with room to spare."""
from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.practice import window_effects as effects  # noqa: E402
from concord.practice.studio import Studio  # noqa: E402


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(steps=12)


def test_wide_scenes_are_one_scene_without_seams(studio):
    """Windows that share a quarter of their width: averaged alike, their edges show; feathered, they do not. Backgrounds stay the same along the width."""
    alike, feathered = (effects.wide_scenes(studio, 2, 12, fusion=fusion) for fusion in ("uniform", "cosine"))
    assert feathered["seam"] < 1.2 and feathered["seam"] < alike["seam"] - 0.05
    assert feathered["contrast"] > 0.8 and feathered["drift"] < 0.05


@pytest.mark.slow
def test_regions_have_their_objects(studio):
    found = effects.two_regions(studio, 5)
    assert found["colour"] >= 0.7 and found["shape"] >= 0.7
    off = effects.two_regions(studio, 2, strength=0.0)
    assert off["colour"] == off["all right"] == 0.0
