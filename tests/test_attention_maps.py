"""Attention maps in the headless host: the picture stays as it is, and what was seen is handed on when the run has ended well."""
from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import sqrt

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.processors.attention.attention_maps import Maps, attention_maps  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402
from concord.tests import sampling_models as networks  # noqa: E402
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0  # noqa: E402

WORDS = (("cat", (2, 3)), ("dog", (5,)))


@cache
def model(sdxl: bool = False) -> Model:
    return Model(networks.unet(sdxl=sdxl), "sdxl" if sdxl else "sd1", latent=LatentFormat(scale=1.0))


def watched(*edits, sdxl: bool = False, words=WORDS, **where) -> tuple[Model, Maps]:
    edit, maps = attention_maps(words, **where)
    return host.attach(model(sdxl), edit, *edits), maps


def run(watched: Model, samples: int = 1, canvas=(8, 12), cfg: float = 3.0, positive=None, **settings) -> torch.Tensor:
    latent = {"samples": torch.zeros(samples, 4, *canvas)}
    texts = networks.text(1) if positive is None else positive, networks.text(2)
    return sample(watched, 0, 2, cfg, settings.pop("sampler", "euler"), "normal", *texts, latent, **settings)["samples"]


def far(maps: Maps, other: Maps) -> float:
    assert maps.found.keys() == other.found.keys() and maps.found
    return max(((maps.found[grid][0] - other.found[grid][0]).abs().max() / other.found[grid][0].abs().max()).item() for grid in maps.found)


CASES = {"one": {}, "batch 4, odd size": {"samples": 4, "canvas": (9, 13)}, "cfg 1": {"cfg": 1.0}, "154 tokens": {"positive": networks.text(1, 154)},
         "two positives": {"positive": networks.text(1) + networks.text(3, area=(8, 8, 0, 4))}, "an area": {"positive": networks.text(1, area=(8, 8, 0, 4))}}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_picture_stays_to_the_bit_and_split_calls_see_the_same(case):
    one, maps = watched()
    assert torch.equal(run(one, **case), run(model(), **case))
    split, others = watched()
    run(replace(split, rows_per_call=1), **case)
    assert far(others, maps) < 1e-4


def test_sdxl_sites():
    one, maps = watched(sdxl=True)
    assert torch.equal(run(one), run(model(True))) and set(maps.found) == {(4, 6), (2, 3)}


class Foreign(AttnProcessor):
    """Another pack's, which takes half of the attention away."""

    def __call__(self, *args, **kwargs):
        return 0.5 * super().__call__(*args, **kwargs)


@pytest.mark.parametrize("standing", [AttnProcessor, Foreign])
def test_processors_of_others_keep_their_numbers_to_the_bit(standing):
    network, (one, maps) = networks.unet(), watched()
    network.set_attn_processor(standing())
    one = replace(one, network=network)
    assert torch.equal(run(one), run(replace(one, program=type(one.program)()))) and maps.found
    assert all(type(processor) is standing for processor in network.attn_processors.values())


class Written(AttnProcessor2_0):
    """The model's own attention with its probabilities written out."""

    def __init__(self, seen: list) -> None:
        super().__init__()
        self.seen = seen

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, *args, **kwargs):
        q, k = (t.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for t in (attn.to_q(hidden_states), attn.to_k(encoder_hidden_states)))
        self.seen.append((q @ k.mT / sqrt(q.shape[-1])).softmax(-1).mean(1))
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **kwargs)


def test_maps_are_the_written_out_columns_of_all_sites_and_steps():
    seen: list[torch.Tensor] = []
    network = networks.unet()
    for name, module in network.named_modules():
        if name.endswith("attn2"):
            module.set_processor(Written(seen))
    run(replace(model(), network=network), samples=2)
    one, maps = watched()
    run(one, samples=2)
    for grid, (found, often) in maps.found.items():
        here = [p[2:] for p in seen if p.shape[1] == grid[0] * grid[1]]  # [negative, positive]
        mean = sum(here) / len(here)
        truth = torch.stack([mean[..., 2:4].mean(-1), mean[..., 5]], 1).unflatten(-1, grid)
        assert often == len(here) and (found - truth).abs().max() < 1e-6


def test_only_the_layers_and_steps_that_are_asked():
    one, maps = watched(layers=frozenset({0}), window=(0.0, 0.3))
    run(one)
    assert [often for _, often in maps.found.values()] == [1.0] and set(maps.found) == {(8, 12)}


def test_windows_are_put_together():
    """Every place of the canvas has a map where windows cover it."""
    one, maps = watched(*multidiffusion((8, 8), (8, 4)))
    run(one, canvas=(8, 16))
    assert set(maps.found) == {(8, 16), (4, 8)} and all(found.min() > 0 for found, _ in maps.found.values())


def test_filled_once_when_the_run_has_ended_well():
    one, maps = watched()
    filled: list[int] = []

    def look(step, *_):
        filled.append(len(maps.found))
        if step == 1 and stop:
            raise KeyboardInterrupt

    stop = True
    with pytest.raises(KeyboardInterrupt):
        run(one, callback=look)
    assert not maps.found
    stop = False
    run(one, callback=look)
    assert maps.found and filled == [0, 0, 0, 0]


def test_a_second_run_replaces_the_first_and_two_nodes_are_two():
    first, second = attention_maps(WORDS), attention_maps(WORDS)
    both = host.attach(model(), first[0], second[0])
    run(both)
    before = Maps(("cat", "dog"), found=dict(first[1].found))
    assert far(second[1], before) == 0 and {often for _, often in second[1].found.values()} == {often for _, often in before.found.values()}
    run(both, samples=2)
    assert all(len(found) == 2 for found, _ in first[1].found.values()) and all(len(found) == 1 for found, _ in before.found.values())
