"""Every technique has its effect on the practice model: a number that moves the right way, with room to spare."""
from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.practice import effects  # noqa: E402

PICTURES = 8


@pytest.fixture(scope="module")
def studio() -> effects.Studio:
    return effects.Studio(steps=12)


def test_outlines_are_followed(studio):
    without, with_it = (effects.outline_overlap(studio, PICTURES, strength) for strength in (0.0, 1.0))
    assert with_it > 0.5 and with_it > without + 0.25


def test_a_batch_shares_its_style(studio):
    found = effects.style_spread(studio, 2 * PICTURES)
    for what in ("colour", "background"):
        assert found["with"][what] < 0.7 * found["without"][what]
    assert found["with"]["texture"] <= found["without"]["texture"]


def test_panoramas_have_no_seams(studio):
    found = effects.seams(studio, 3)
    assert found["MultiDiffusion"]["seam"] < 2 < found["independent tiles"]["seam"] / 2
    assert found["MultiDiffusion"]["contrast"] > 0.6
