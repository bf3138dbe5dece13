"""The layers of published networks: their numbers in files, their blocks by number and by name; and that each is asked for its keys once a run."""
from __future__ import annotations

import pytest
import torch
from concord.hosts.diffusers.unet import sites
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.layers import SITES, block_names, parse_layers, published_number
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.rows import Site
from concord.processors.run import Run, at_site, attention

from .image_adapter_files import cross_attentions, network

COUNTS = {"sd15": 16, "sdxl": 70}
each_family = pytest.mark.parametrize("family", COUNTS)


@each_family
def test_every_site_finds_its_layer_of_the_file(family):
    """diffusers' own order of attention processors is the files'."""
    order = list(cross_attentions(family).values())
    places = [(site, module) for site, module, _ in sites(network(family)) if site.kind == "cross"]
    assert len(places) == COUNTS[family] == sum(SITES[COUNTS[family]])
    assert [published_number(site.index, COUNTS[family]) for site, _ in places] == [order.index(module) for _, module in places]


@each_family
def test_blocks_have_the_names_that_diffusers_gives_them(family):
    unet, count = network(family), COUNTS[family]
    inside = {id(module): name for name, module in unet.named_modules()}
    found = [inside[id(module)].rpartition(".transformer_blocks.")[0] for site, module, _ in sites(unet) if site.kind == "cross"]
    assert found == [name for name, times in zip(block_names(count), SITES[count], strict=True) for _ in range(times)]


@each_family
def test_layers_by_number_and_by_name(family):
    count, names = COUNTS[family], block_names(COUNTS[family])
    assert parse_layers(" 3:0.5,\n6:-1 ,", count) == parse_layers(f"{names[3]}:0.5, {names[6]}:-1", count) == {3: 0.5, 6: -1.0}
    down = {i: 2.0 for i, name in enumerate(names) if name.startswith("down_blocks.2.")}
    assert len(down) == 2 and parse_layers("down_blocks.2:2", count) == down


@pytest.mark.parametrize("text", ("3", "x:1", "16:1", "3:much", "3:nan", ":1", "down_block:1", "-1:1", "3:inf"))
def test_layers_that_are_not_there_are_refused(text):
    with pytest.raises(ConcordError, match=r"0 to 15 in this model.*down_blocks.0.attentions.0"):
        parse_layers(text, 16)


class Counting:
    id, count = "counting", 16

    def __init__(self) -> None:
        self.asked: list[int] = []

    def project(self, number, tokens):
        self.asked.append(number)
        return tokens.repeat(1, 1, 4)[..., :8], tokens.repeat(1, 1, 4)[..., :8]


def test_keys_are_projected_once_a_run():
    handle = Counting()
    run = Run(Program.of(image_prompt(torch.ones(1, 2, 3), torch.zeros(1, 2, 3), handle, weight=0.5, mask=torch.ones(1, 4, 4))), 2)
    rows = run.program.lanes.rows([("positive", 0, None, None), ("negative", 0, None, None)], 2)
    q = torch.randn(4, 2, 4, 4)
    for sigma in (3.0, 2.0, 1.0):
        for index in range(16):
            step, here = run.step(sigma, rows), Site("cross", index, heads=2, grid=(2, 2))
            attention(at_site(run.program, here, step), here, step, q, q, q)
    assert sorted(handle.asked) == list(range(16))
