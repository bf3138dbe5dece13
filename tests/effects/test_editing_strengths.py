"""More of a setting does more: edits on the practice model, each over its main setting."""
from __future__ import annotations

from itertools import pairwise

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.nodes.null_text import METHODS  # noqa: E402
from concord.practice import editing_effects, editing_strengths  # noqa: E402
from concord.practice.studio import Studio  # noqa: E402

PICTURES = 8


pytestmark = pytest.mark.slow  # each makes many pictures; the effects themselves are tested in test_editing_effects.py


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(steps=12)


def falls(values, by: float = 1.0) -> bool:
    """Each less than `by` times the one before."""
    return all(after < by * before for before, after in pairwise(values))


def test_style_aligned_narrows_a_batch_the_more_the_reference_counts(studio):
    off = editing_strengths.style_distance(studio, PICTURES, share=False, adain="")
    found = [editing_strengths.style_distance(studio, PICTURES, shift=shift) for shift in (-1.0, 0.0, 1.0)]
    assert falls([off["colour"], *(of["colour"] for of in found)], 0.8)
    assert falls([of["texture"] for of in found], 0.9) and found[1]["texture"] < 0.9 * off["texture"]


def test_style_aligned_narrows_a_batch_the_sharper_it_looks_at_the_reference(studio):
    found = [editing_strengths.style_distance(studio, PICTURES, scale=scale) for scale in (0.5, 1.0, 1.5)]
    assert falls([of["colour"] for of in found], 0.8) and falls([of["texture"] for of in found], 0.9)


def test_the_reference_of_style_aligned_is_as_if_drawn_alone(studio):
    found = editing_strengths.reference_change(studio)
    assert found["batch"] < 1e-5 and found["alone"] < 2e-3


@pytest.mark.parametrize("features", ("values", "output of self-attention"))
def test_feature_adain_brings_colours_to_the_reference(studio, features):
    assert falls(editing_strengths.feature_pull(studio, PICTURES, (0.0, 0.5, 1.0), features), 0.9)


def test_latent_adain_brings_colours_to_the_reference(studio):
    assert falls(editing_strengths.latent_pull(studio, PICTURES, (0.0, 0.25, 0.5, 0.75, 1.0)), 0.95)


def test_negative_prompts_of_their_own_bring_real_pictures_back(studio):
    optimised, prompt, off = (editing_strengths.reconstruction(studio, 1, method, tries=3) for method in METHODS)
    assert optimised > prompt + 2 > off + 4


def test_prompt_to_prompt_keeps_more_layout_the_longer_words_keep_their_places(studio):
    found = [editing_effects.layout_kept(studio, 6, until, 0.0)["overlap"] for until in (0.0, 0.3, 0.8)]
    assert falls(found[::-1])


def test_masactrl_keeps_more_appearance_the_earlier_it_begins(studio):
    found = [editing_effects.appearance_kept(studio, 6, start) for start in (0.08, 0.6, 1.0)]
    kept = [of["colour"] + of["texture"] + of["background"] for of in found]
    assert falls(kept)
