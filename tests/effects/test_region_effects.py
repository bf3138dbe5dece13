"""Regions on the practice model: what is said of a place stands there, and more of a setting does more."""
from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.practice import region_effects  # noqa: E402
from concord.practice.studio import Studio  # noqa: E402

PICTURES = 8
FINE = {"layers": "0, 1, 13-15", "end_percent": 0.5}  # the layers of this small model that see enough places


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(steps=12)


def test_each_region_shows_what_its_own_prompt_says(studio):
    without, with_it = (region_effects.in_their_halves(studio, PICTURES, strength=strength) for strength in (0.0, 1.0))
    assert with_it["all right"] >= 0.75 and without["all right"] <= 0.15
    assert min(with_it["colour"], with_it["shape"]) >= 0.85


def test_words_are_painted_into_their_box_the_more_the_stronger(studio):
    found = [region_effects.in_the_box(studio, PICTURES, "paint with words", strength, outside=0.5) for strength in (0.0, 1.0, 4.0)]
    for less, more in zip(found, found[1:], strict=False):
        assert more["mass"] > less["mass"] + 0.05 and more["overlap"] > less["overlap"] + 0.02
    assert found[-1]["overlap"] > found[0]["overlap"] + 0.2


@pytest.mark.slow
def test_forward_guidance_moves_words_into_their_box_the_more_the_stronger(studio):
    """Of words alone: this small model draws nothing where the tokens that fill the prompt are moved, too."""
    found = [region_effects.in_the_box(studio, PICTURES, "forward guidance", strength, end_percent=0.6, filler_tokens="off") for strength in (0.0, 0.5, 1.0)]
    for less, more in zip(found, found[1:], strict=False):
        assert more["mass"] > less["mass"] + 0.03 and more["overlap"] > less["overlap"] + 0.02
    assert found[-1]["overlap"] > found[0]["overlap"] + 0.15


@pytest.mark.slow
def test_backward_guidance_moves_the_picture_into_its_box_the_more_the_stronger(studio):
    found = [region_effects.in_the_box(studio, 4, "backward guidance", strength, iterations=2, **FINE) for strength in (0.0, 0.1, 1.0)]
    for less, more in zip(found, found[1:], strict=False):
        assert more["mass"] > less["mass"] + 0.05 and more["overlap"] > less["overlap"] + 0.02
    assert found[-1]["overlap"] > found[0]["overlap"] + 0.2


@pytest.mark.slow
def test_box_diff_fills_the_box_the_more_the_stronger(studio):
    found = [region_effects.in_the_box(studio, 4, "BoxDiff", strength, iterations=3, **FINE) for strength in (0.0, 0.1, 1.0)]
    for less, more in zip(found, found[1:], strict=False):
        assert more["mass"] > less["mass"] + 0.02 and more["overlap"] > less["overlap"] + 0.02
    assert found[-1]["mass"] > found[0]["mass"] + 0.1 and found[-1]["overlap"] > found[0]["overlap"] + 0.12
