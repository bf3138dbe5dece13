"""Whole networks agree with diffusers' own IP-Adapter, over a few steps with guidance: kinds of adapter, scales, masks, two adapters, InstantStyle's blocks."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from concord.hosts.diffusers.unet import editing, sites
from concord.model_loaders.image_adapter import read_image_adapter
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.edit import Edit, Program, Stage
from concord.processors.rows import View
from concord.processors.run import Run
from diffusers.loaders import IPAdapterMixin
from torch import Tensor

from .image_adapter_files import WIDTHS, base, full_face, layers, nested, network, plus
from .sampling_models import noise

SIZE, STEPS, GUIDANCE = (16, 8), 3, 4.0
PROJECTIONS = {"sd15": {"base": base(), "plus": plus(), "full-face": full_face()}, "sdxl": {"base": base(2048, 1280), "plus": plus(2048)}}
KINDS = [(family, kind) for family, kinds in PROJECTIONS.items() for kind in kinds]
each_kind = pytest.mark.parametrize("family, kind", KINDS)


@cache
def content(family: str, kind: str) -> dict:
    """As small as a trained adapter's: its term changes the picture, but does not drown the text."""
    return nested(PROJECTIONS[family][kind], {name: 0.5 * tensor for name, tensor in layers(family, seed=len(kind)).items()})


@cache
def adapter(family: str, kind: str):
    return read_image_adapter(content(family, kind), f"{family} {kind}")


def seen(family: str, kind: str, pictures: int = 1, seed: int = 3) -> tuple[Tensor, Tensor]:
    """What a vision tower says of some pictures, and of none."""
    if kind == "base":
        said = noise(pictures, adapter(family, kind).width, seed=seed)
        return said, torch.zeros_like(said[:1])
    return noise(pictures, 33, 1280, seed=seed), noise(1, 33, 1280, seed=99)


def sampled(family: str, call) -> Tensor:
    """A few steps of two images; call(x of both branches [4, ...], t, text, added) -> noise."""
    x, text = noise(2, 4, *SIZE, seed=1), noise(2, 77, WIDTHS[family], seed=2).repeat_interleave(2, 0)
    added = {"text_embeds": noise(4, 16, seed=4), "time_ids": torch.arange(24.0).reshape(4, 6)} if family == "sdxl" else {}
    for t in (900, 600, 100)[:STEPS]:
        with torch.no_grad():
            positive, negative = call(torch.cat([x, x]), t, text, added).chunk(2)
        x = x - 0.2 * (negative + GUIDANCE * (positive - negative))
    return x


def ours(family: str, *edits: Edit, seen_by: View | None = None) -> Tensor:
    unet = network(family)
    run, places = Run(Program.of(edits), 2, (3.0, 2.0, 1.0, 0.0)), sites(unet)
    rows = run.program.lanes.rows([("positive", 0, seen_by, None), ("negative", 0, seen_by, None)], 2)

    def call(x: Tensor, t: int, text: Tensor, added: dict) -> Tensor:
        step = run.step(float(t), rows)
        with editing(places, run.program.at(Stage.ATTENTION, step), step, SIZE):
            return unet(x, t, text, added_cond_kwargs=added).sample

    return sampled(family, call)


@contextmanager
def loaded(family: str, *kinds: str) -> Iterator[SimpleNamespace]:
    """diffusers' own loading, undone after that."""
    unet = network(family)
    before, projection, kind = dict(unet.attn_processors), unet.encoder_hid_proj, unet.config.encoder_hid_dim_type
    unet._load_ip_adapter_weights([content(family, kind) for kind in kinds])
    try:
        yield SimpleNamespace(unet=unet)
    finally:
        unet.encoder_hid_proj = projection  # first: its attentions count as the network's
        unet.set_attn_processor(before)
        unet.register_to_config(encoder_hid_dim_type=kind)


def theirs(family: str, *kinds: str, scale, pictures: Sequence[tuple[Tensor, Tensor]], masks: list[Tensor] | None = None) -> Tensor:
    """pictures: for each adapter the vision tower's output [n, ...], and of none; scale: a number, InstantStyle's dictionary, or a list of them."""
    both = [torch.stack([said, said, *[none.expand_as(said)] * 2]) for said, none in pictures]  # [rows, n, ...]
    with loaded(family, *kinds) as pipeline:
        IPAdapterMixin.set_ip_adapter_scale(pipeline, scale)
        more = {"cross_attention_kwargs": {"ip_adapter_masks": masks}} if masks else {}
        call = lambda x, t, text, added: pipeline.unet(x, t, text, added_cond_kwargs={**added, "image_embeds": both}, **more).sample
        return sampled(family, call)


def prompt(family: str, kind: str, said: Tensor, none: Tensor, weight: float = 1.0, **settings) -> tuple[Edit, ...]:
    own = adapter(family, kind)
    return image_prompt(own.encode(said), own.nothing(none), own, weight=weight, **settings)


def agree(a: Tensor, b: Tensor, plain: Tensor) -> None:
    far = float((a - b).abs().max() / b.abs().max())
    assert far < 1e-4, far
    assert float((a - plain).abs().max() / plain.abs().max()) > 1e-2  # it did something


@each_kind
def test_one_picture(family, kind):
    pictures = seen(family, kind)
    agree(ours(family, *prompt(family, kind, *pictures, 0.7)), theirs(family, kind, scale=0.7, pictures=[pictures]), ours(family))


@pytest.mark.parametrize("family, kind", (("sd15", "base"), ("sd15", "plus")))
def test_several_pictures_of_one_adapter(family, kind):
    pictures = seen(family, kind, 3)
    agree(ours(family, *prompt(family, kind, *pictures, 0.8)), theirs(family, kind, scale=0.8, pictures=[pictures]), ours(family))


@pytest.mark.parametrize("family, kinds", (("sd15", ("base", "plus")), ("sdxl", ("base", "plus"))))
def test_two_adapters(family, kinds):
    pictures = [seen(family, kind, seed=i) for i, kind in enumerate(kinds)]
    parts = [prompt(family, kind, *said, weight) for kind, said, weight in zip(kinds, pictures, (0.7, 0.4), strict=True)]
    expected = theirs(family, *kinds, scale=[0.7, 0.4], pictures=pictures)
    for order in (parts, parts[::-1]):
        agree(ours(family, *order[0], *order[1]), expected, ours(family))


INSTANT_STYLE = {
    "style": ({"up": {"block_0": [0.0, 1.0, 0.0]}}, {"weight_type": "style transfer"}),
    "style and layout": ({"down": {"block_2": [0.0, 1.0]}, "up": {"block_0": [0.0, 1.0, 0.0]}}, {"weight_type": "style and composition"}),
    "parts": ({"down": {"block_1": [0.3, 0.6], "block_2": 0.5}, "mid": 0.2, "up": 0.9},
              {"layers": "0:0.3, 1:0.6, down_blocks.2:0.5, mid_block:0.2, up_blocks.0:0.9, up_blocks.1:0.9"}),
}  # fmt: skip


@pytest.mark.parametrize("name", INSTANT_STYLE)
def test_instant_style_is_the_scale_of_blocks(name):
    scale, settings = INSTANT_STYLE[name]
    pictures = seen("sdxl", "base")
    agree(ours("sdxl", *prompt("sdxl", "base", *pictures, **settings)), theirs("sdxl", "base", scale=scale, pictures=[pictures]), ours("sdxl"))


def test_masks_and_two_pictures_of_one_adapter():
    """Each picture in its half; diffusers shrinks masks by points, we by areas: edges on the grid of the coarsest site are the same in both."""
    said, none = seen("sd15", "base", 2)
    masks = torch.zeros(2, 8 * SIZE[0], 8 * SIZE[1])
    masks[0, : masks.shape[1] // 2], masks[1, masks.shape[1] // 2 :] = 1, 0.5
    edits = [edit for i in range(2) for edit in prompt("sd15", "base", said[i : i + 1], none, 0.9, mask=masks[i : i + 1])]
    expected = theirs("sd15", "base", scale=[[0.9, 0.9]], pictures=[(said, none)], masks=[masks[None]])
    agree(ours("sd15", *edits), expected, ours("sd15"))


def test_a_view_of_the_whole_canvas_and_weight_0_change_nothing():
    said, none = seen("sd15", "base")
    edits = prompt("sd15", "base", said, none, mask=torch.ones(1, 5, 7))
    plain, whole = ours("sd15"), ours("sd15", *edits)
    assert torch.equal(ours("sd15", *prompt("sd15", "base", said, none, 0.0)), plain)
    assert torch.allclose(ours("sd15", *edits, seen_by=View(0, 0, *SIZE, SIZE)), whole, atol=1e-5) and not torch.allclose(whole, plain, atol=1e-2)
