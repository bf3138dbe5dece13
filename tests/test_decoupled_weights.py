"""Which layers an image prompt acts on: the published numbers of layers, the fifteen weight types, layers by number and by name."""
from __future__ import annotations

import pytest
import torch
from concord.processors.attention.image_prompt import WEIGHT_TYPES, combine_embeddings, image_prompt, subtract_text
from concord.processors.attention.layers import SITES, on_sites
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.rows import Row, Site

COUNTS = {"sd15": 16, "sdxl": 70}
TOKENS, NEGATIVE = torch.ones(1, 2, 3), torch.zeros(1, 2, 3)
each_family = pytest.mark.parametrize("family", COUNTS)


def prompt(weight_type: str, count: int, weight: float = 1.0, **settings):
    return image_prompt(TOKENS, NEGATIVE, weight=weight, weight_type=weight_type, count=count, **settings)


# By block: 6 down, 1 mid, 9 up; and 4 down, 1 mid, 6 up. Negative numbers stand for blocks that act on the negative alone.
FACTORS = {
    "linear": ([1] * 16, [1] * 11),
    "ease in": ([1 - 0.95 * i / 16 for i in range(16)], [1 - 0.95 * i / 11 for i in range(11)]),
    "ease out": ([0.05 + 0.95 * i / 16 for i in range(16)], [0.05 + 0.95 * i / 11 for i in range(11)]),
    "ease in-out": ([1 - 0.95 * abs(i - 8) / 8 for i in range(16)], [1 - 0.95 * abs(i - 5.5) / 5.5 for i in range(11)]),
    "reverse in-out": ([0.05 + 0.95 * abs(i - 8) / 8 for i in range(16)], [0.05 + 0.95 * abs(i - 5.5) / 5.5 for i in range(11)]),
    "weak input": ([0.2] * 6 + [1] * 10, [0.2] * 4 + [1] * 7),
    "weak output": ([1] * 7 + [0.2] * 9, [1] * 5 + [0.2] * 6),
    "weak middle": ([1] * 6 + [0.2] + [1] * 9, [1] * 4 + [0.2] + [1] * 6),
    "strong middle": ([0.2] * 6 + [1] + [0.2] * 9, [0.2] * 4 + [1] + [0.2] * 6),
    "style transfer": ([1] * 4 + [0] * 5 + [1] * 7, [0] * 6 + [1] + [0] * 4),
    "composition": ([0] * 4 + [0.25, 1] + [0] * 10, [0] * 3 + [1] + [0] * 7),
    "strong style transfer": ([1] * 4 + [0] * 2 + [1] * 10, [1] * 3 + [0] + [1] * 7),
    "style and composition": ([1] * 4 + [0.25, 1, 0, 0, 0] + [1] * 7, [0] * 3 + [1, 0, 0, 1] + [0] * 4),
    "style transfer precise": ([1] * 4 + [-0.25, -1, 0, 0, 0] + [1] * 7, [0] * 3 + [-1, 0, 0, 1] + [0] * 4),
    "composition precise": ([-1] * 4 + [0.25, 1] + [-0.1] * 3 + [-1] * 7, [-0.1] * 3 + [1, -0.1, -0.1, -1] + [-0.1] * 4),
}


@pytest.mark.parametrize("weight_type", WEIGHT_TYPES)
@pytest.mark.parametrize("family", COUNTS)
def test_the_fifteen_weight_types(weight_type, family):
    count, blocks = COUNTS[family], FACTORS[weight_type][list(COUNTS).index(family)]
    expected = [factor for factor, times in zip(blocks, SITES[count], strict=True) for _ in range(times)]
    edits = prompt(weight_type, count)
    for index, factor in enumerate(expected):
        there = [edit for edit in edits if edit.covers(Site("cross", index))]
        assert len(there) == (factor != 0), index
        for edit in there:
            assert edit.weight * edit.layer_weights[index] == pytest.approx(abs(factor))
            assert edit.takes(Row("positive")) == (factor > 0) and edit.takes(Row("negative"))
            assert torch.equal(edit.negative, NEGATIVE if factor > 0 else TOKENS)


def test_there_are_no_other_weight_types():
    assert list(WEIGHT_TYPES) == list(FACTORS)
    with pytest.raises(ConcordError, match="'stylish' is no weight type; these are: linear, ease in"):
        prompt("stylish", 16)


@each_family
def test_the_composition_has_a_factor_of_its_own(family):
    """In the precise types it is that of what pushes away."""
    count = COUNTS[family]
    full, half, off = (prompt("style and composition", count, 0.8, composition=factor)[0] for factor in (1.0, 0.5, 0.0))
    composition = [i for i, weight in enumerate(prompt("composition", count)[0].layer_weights) if weight]
    for i in range(count):
        assert half.layer_weights[i] == full.layer_weights[i] * (0.5 if i in composition else 1)
        assert off.covers(Site("cross", i)) == (i not in composition and full.covers(Site("cross", i)))
    for kind in ("style transfer precise", "composition precise"):
        (pulled, pushed), (same, harder) = prompt(kind, count, 0.8), prompt(kind, count, 0.8, composition=1.5)
        assert pulled.layer_weights == same.layer_weights and pushed.branches == {"negative"}
        assert harder.layer_weights == tuple(1.5 * weight for weight in pushed.layer_weights)
        assert len(Program.of(prompt(kind, count, composition=0.0)).edits) == 1
    assert prompt("linear", count, composition=3.0)[0].id == prompt("linear", count)[0].id


def places(count: int) -> list[Site]:
    return [Site("cross", index) for index in range(count)]


def test_other_networks_have_no_tables():
    assert len(image_prompt(TOKENS)) == 1
    with pytest.raises(ConcordError, match="16 or 70 cross-attentions.*this one has 4"):
        prompt("style transfer", 4)


def test_pictures_are_combined():
    e = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 3.0]])
    ways = {"average": [1, 8 / 3], "add": [3, 8], "subtract": [3, 2], "norm average": [0.2 * 3, (0.8 + 1 + 1) / 3 * 3]}
    for how, expected in ways.items():
        assert torch.allclose(combine_embeddings(e, how), torch.tensor([expected], dtype=torch.float32)), how
        assert torch.allclose(combine_embeddings(e[:1], how), e[:1]), how
    assert combine_embeddings(e, "concatenate") is e and combine_embeddings(e, "batch") is e
    with pytest.raises(ConcordError, match="known: concatenate, average"):
        combine_embeddings(e, "mix")


def test_words_are_subtracted():
    e, words = torch.randn(2, 5), torch.randn(1, 5)
    assert subtract_text(e, words, 0) is e and torch.allclose(subtract_text(e, words, 0.8), e - 0.8 * words)
    for other, says in ((words[:, :4], "2 of 5 numbers, the words' 1 of 4"), (words.expand(3, -1), "2 of 5 numbers, the words' 3 of 5")):
        with pytest.raises(ConcordError, match=says):
            subtract_text(e, other, 1)


@each_family
def test_layer_weights_stand_in_the_place_of_the_types(family):
    count = COUNTS[family]
    (edit,) = prompt("linear", count, 0.5, layers="3:0.5, 6:1")
    assert edit.layer_weights == on_sites({3: 0.5, 6: 1.0}, count) and edit.weight == 0.5
    pulled, pushed = prompt("style transfer precise", count, layers="3:2.5, 5:2, 6:1")  # the table's own layers, another weight for what is pushed away
    away = {16: {5: 2.0}, 70: {3: 2.5}}[count]
    assert pushed.layer_weights == on_sites(away, count)
    assert pulled.layer_weights == on_sites({t: f for t, f in {3: 2.5, 5: 2.0, 6: 1.0}.items() if t not in away}, count)
