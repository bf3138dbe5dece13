"""Which layers an image prompt acts on: the published numbers of layers, the fifteen weight types, layers by number and by name."""
from __future__ import annotations

import pytest
import torch
from concord.hosts.diffusers.unet import sites
from concord.processors.attention.decoupled import CROSS_ATTENTIONS, published_number
from concord.processors.attention.image_prompt import (
    SITES,
    WEIGHT_TYPES,
    block_names,
    combine_embeddings,
    image_prompt,
    on_sites,
    parse_layers,
    subtract_text,
)
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.rows import Row, Site
from concord.processors.run import Run, at_site, attention

from .image_adapter_files import cross_attentions, network

COUNTS = {"sd15": 16, "sdxl": 70}
TOKENS, NEGATIVE = torch.ones(1, 2, 3), torch.zeros(1, 2, 3)
each_family = pytest.mark.parametrize("family", COUNTS)


@each_family
def test_every_site_finds_its_layer_of_the_file(family):
    """diffusers' own order of attention processors is the files'."""
    order = list(cross_attentions(family).values())
    places = [(site, module) for site, module, _ in sites(network(family)) if site.kind == "cross"]
    assert len(places) == COUNTS[family] == sum(CROSS_ATTENTIONS[COUNTS[family]])
    assert [published_number(site.index, COUNTS[family]) for site, _ in places] == [order.index(module) for _, module in places]


@each_family
def test_blocks_have_the_names_that_diffusers_gives_them(family):
    unet, count = network(family), COUNTS[family]
    inside = {id(module): name for name, module in unet.named_modules()}
    found = [inside[id(module)].rpartition(".transformer_blocks.")[0] for site, module, _ in sites(unet) if site.kind == "cross"]
    assert found == [name for name, times in zip(block_names(count), SITES[count], strict=True) for _ in range(times)]


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
def test_the_composition_has_a_weight_of_its_own(family):
    count = COUNTS[family]
    style, composition = Program.of(prompt("style and composition", count, 0.8, composition=0.3)).edits
    assert {style.weight, composition.weight} == {0.8, 0.3} and not any(style.covers(site) and composition.covers(site) for site in places(count))
    (only,) = Program.of(prompt("style and composition", count, 0.8, composition=0.0)).edits
    assert only.weight == 0.8
    pulled, pushed = prompt("style transfer precise", count, 0.8, composition=1.5)
    assert (pulled.weight, pushed.weight, pushed.branches) == (0.8, 1.5, {"negative"})


def places(count: int) -> list[Site]:
    return [Site("cross", index) for index in range(count)]


@each_family
def test_layers_by_number_and_by_name(family):
    count, names = COUNTS[family], block_names(COUNTS[family])
    assert parse_layers(" 3:0.5,\n6:-1 ,", count) == parse_layers(f"{names[3]}:0.5, {names[6]}:-1", count) == {3: 0.5, 6: -1.0}
    down = {i: 2.0 for i, name in enumerate(names) if name.startswith("down_blocks.2.")}
    assert len(down) == 2 and parse_layers("down_blocks.2:2", count) == down
    (edit,) = prompt("linear", count, 0.5, layers="3:0.5, 6:1")
    assert edit.layer_weights == on_sites({3: 0.5, 6: 1.0}, count) and edit.weight == 0.5
    pulled, pushed = prompt("style transfer precise", count, layers="3:2.5, 5:2, 6:1")  # the table's own layers, another weight for what is pushed away
    away = {16: {5: 2.0}, 70: {3: 2.5}}[count]
    assert pushed.layer_weights == on_sites(away, count)
    assert pulled.layer_weights == on_sites({t: f for t, f in {3: 2.5, 5: 2.0, 6: 1.0}.items() if t not in away}, count)


@pytest.mark.parametrize("text", ("3", "x:1", "16:1", "3:much", "3:nan", ":1", "down_block:1", "-1:1", "3:inf"))
def test_layers_that_are_not_there_are_refused(text):
    with pytest.raises(ConcordError, match=r"0 to 15 in this model.*down_blocks.0.attentions.0"):
        parse_layers(text, 16)


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
    with pytest.raises(ConcordError, match="5 numbers, the words' 4"):
        subtract_text(e, words[:, :4], 1)


class Counting:
    id, count = "counting", 16

    def __init__(self) -> None:
        self.asked: list[int] = []

    def project(self, number, tokens):
        self.asked.append(number)
        return tokens.repeat(1, 1, 4)[..., :8], tokens.repeat(1, 1, 4)[..., :8]


def test_keys_are_projected_once_a_run():
    handle = Counting()
    run = Run(Program.of(image_prompt(TOKENS, NEGATIVE, handle, weight=0.5, mask=torch.ones(1, 4, 4))), 2)
    rows = run.program.lanes.rows([("positive", 0, None, None), ("negative", 0, None, None)], 2)
    q = torch.randn(4, 2, 4, 4)
    for sigma in (3.0, 2.0, 1.0):
        for site in places(16):
            step, here = run.step(sigma, rows), Site("cross", site.index, heads=2, grid=(2, 2))
            attention(at_site(run.program, here, step), here, step, q, q, q)
    assert sorted(handle.asked) == list(range(16))
