"""Techniques together: any order of nodes gives the same bits, and every one keeps its effect."""
from __future__ import annotations

from functools import cache
from itertools import combinations, product
from random import Random

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.processors.attention.style_aligned import reference_lane, style_aligned  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402

from . import techniques as t  # noqa: E402
from .composition import BOTH, PAGE, REFUSED, said_of  # noqa: E402

PAIRS = list(combinations(t.TECHNIQUES, 2))
SLOW = [pair for pair in PAIRS if any(technique in t.COSTLY[1:] for technique in pair)]
EACH = [pytest.param(pair, id="+".join(one.name for one in pair), marks=[pytest.mark.slow] * (pair in SLOW)) for pair in PAIRS]


def through(techniques) -> torch.Tensor:
    setup = t.plain()
    for technique in techniques:
        setup = technique.typical(setup)
    return t.run(setup, samples=3, steps=1)


@cache
def by_itself(technique) -> torch.Tensor:
    return through([technique])


def refused(pair) -> bool:
    return pair[0].name in pair[1].clashes


def test_the_page_says_so():
    text = PAGE.read_text(encoding="utf-8")
    wrong = [pair for pair in PAIRS if said_of(pair, text) != (REFUSED if refused(pair) else BOTH)]
    assert not wrong, f"write {PAGE.name} again (see composition.py)"


@pytest.mark.parametrize("pair", EACH)
def test_pairs_in_both_orders(pair):
    if refused(pair):
        with pytest.raises(ConcordError, match=f"(?s){pair[0].name}.*{pair[1].name}|{pair[1].name}.*{pair[0].name}"):
            through(pair)
        return
    together = through(pair)
    assert torch.equal(together, through(pair[::-1]))
    for alone in pair:
        assert t.far(together, by_itself(alone)) > 1e-4


def test_all_in_many_orders():
    shuffled = [Random(seed).sample(t.TOGETHER, len(t.TOGETHER)) for seed in range(4)]
    first, *others = (through(order) for order in (t.TOGETHER, t.TOGETHER[::-1], *shuffled))
    assert all(torch.equal(other, first) for other in others)


def test_all_split():
    setup = t.plain()
    for technique in t.TOGETHER:
        setup = technique.typical(setup)
    assert t.far(t.run(t.split(setup), 3), t.run(setup, 3)) < 1e-4


@pytest.mark.parametrize("technique", (t.STYLE_ALIGNED, t.MULTIDIFFUSION), ids=lambda technique: technique.name)
def test_two_settings_of_one_technique_on_the_same_rows_are_refused(technique):
    setup = technique.other(technique.typical(t.plain()))
    if technique is t.STYLE_ALIGNED:  # the other setting shares keys only: it adds up
        t.run(setup)
    else:
        with pytest.raises(ConcordError, match=f"{technique.name} and {technique.name}.*two different settings"):
            t.run(setup)


@pytest.mark.parametrize("technique,where", list(product((t.STYLE_ALIGNED,), (2, 7))))
def test_a_reference_outside_the_batch_is_refused(technique, where):
    setup = t.KIT.attached(*style_aligned(), lanes=reference_lane(where))(t.plain())
    with pytest.raises(ConcordError, match=f"image {where} of the batch"):
        t.run(setup, samples=2)
