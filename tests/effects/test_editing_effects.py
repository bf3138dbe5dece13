"""Edits on the practice model: what is asked changes, the rest is kept, and more of a setting does more."""
from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.practice import editing_effects  # noqa: E402
from concord.practice.studio import Studio  # noqa: E402

PICTURES = 8


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(steps=12)


def test_prompt_to_prompt_keeps_the_layout_and_changes_the_word(studio):
    off, words, both = (editing_effects.layout_kept(studio, PICTURES, *how) for how in ((0.0, 0.0), (0.8, 0.0), (0.8, 0.4)))
    assert off["overlap"] + 0.08 < words["overlap"] < both["overlap"] + 0.02
    assert both["overlap"] > off["overlap"] + 0.15 and both["asked"] > 0.75


def test_masactrl_keeps_the_appearance_in_a_new_layout(studio):
    late, early = (editing_effects.appearance_kept(studio, PICTURES, start) for start in (1.0, 0.08))
    assert early["colour"] > late["colour"] + 0.3 and early["background"] > late["background"] + 0.3
    assert early["place"] > 0.6


@pytest.mark.slow
def test_inverted_pictures_come_back_the_closer_the_more_steps(studio):
    few, many = (editing_effects.round_trip(studio, 2, steps)["error"] for steps in (8, 30))
    assert many < 0.6 * few and many < 0.2
