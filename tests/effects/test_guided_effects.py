"""Hints and reference pictures on the practice model: what they reach, what they leave alone, and where masks end."""
from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.practice import effects, guided_effects  # noqa: E402
from concord.practice.studio import Studio  # noqa: E402

PICTURES = 6


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(steps=12)


def test_hints_are_followed_more_closely_with_more_strength(studio):
    overlaps = [effects.outline_overlap(studio, PICTURES, strength) for strength in (0.0, 0.25, 0.5, 1.0)]
    assert all(more > less + 0.05 for less, more in zip(overlaps, overlaps[1:], strict=False)), overlaps
    assert overlaps[-1] > overlaps[0] + 0.4


@pytest.mark.slow
def test_a_mask_confines_a_hint(studio):
    found = guided_effects.confined_hint(studio, PICTURES)
    assert min(found["with"].values()) > 0.6
    assert found["masked"]["left"] > 0.6 and found["masked"]["right"] < 0.5


def test_a_mask_confines_a_reference(studio):
    found = guided_effects.confined_reference(studio, PICTURES)
    assert min(found["with"].values()) > 0.5
    assert found["masked"]["left"] > 0.5 and found["masked"]["right"] < 0.35


def test_style_layers_carry_colours_and_texture_but_no_shape(studio):
    without = guided_effects.carried(studio, 2 * PICTURES, weight=0.0)
    style = guided_effects.carried(studio, 2 * PICTURES, weight_type="style transfer")
    for what in ("colour", "texture", "background"):
        assert style[what] > without[what] + 0.3, what
    assert style["shape"] < 0.5
