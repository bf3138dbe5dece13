"""The nodes of image prompts without ComfyUI: files of models/ipadapter, every kind on both families, sockets of other packs, what is refused."""
from __future__ import annotations

from functools import cache

import pytest
import torch
from concord.hosts.diffusers.graph.context import Context, using
from concord.hosts.diffusers.model import Model
from concord.model_loaders.clip_tower import TowerConfig, VisionTower
from concord.model_loaders.clip_vision import Vision
from concord.model_loaders.image_adapter import read_image_adapter
from concord.nodes.decoupled_cross_attn import COMBINE, DecoupledCrossAttn
from concord.nodes.decoupled_prompt import DecoupledPrompt
from concord.nodes.load_image_adapter import LoadImageAdapter
from concord.processors.errors import ConcordError

from .image_adapter_files import base, few_layers, flat, full_face, nested, network, plus, write
from .sampling_models import fill, text

PROJECTIONS = {"sd15": {"base": base(), "plus": plus(), "full-face": full_face()}, "sdxl": {"base": base(2048, 1280), "plus": plus(2048)}}
KINDS = [(family, kind) for family, kinds in PROJECTIONS.items() for kind in kinds]
IMAGES = torch.rand(3, 30, 40, 3, generator=torch.Generator().manual_seed(0))


@cache
def tower(width: int = 1280, projection: int = 1024) -> Vision:
    """As wide as ViT-H (1280, 1024) or ViT-bigG (1664, 1280), and small elsewhere."""
    return Vision(fill(VisionTower(TowerConfig(width, 16, 2, 32, "gelu", projection, image=28)), 1).requires_grad_(False))


def model(family: str = "sd15") -> Model:
    return Model(network(family), family={"sd15": "sd1"}.get(family, family))


def content(family: str, kind: str) -> dict:
    return nested(PROJECTIONS[family][kind], few_layers(family))


def apply(adapter, vision=None, family: str = "sd15", image=IMAGES[:1], weight_type: str = "linear", combine: str = "concat", **more) -> tuple:
    """-> the edits that the node puts on the model."""
    made = DecoupledCrossAttn.execute(model(family), adapter, image, 0.8, weight_type, combine, "V only", 0.0, 1.0, clip_vision=vision, **more).args[0]
    return made.program.edits


@pytest.mark.parametrize("family, kind", KINDS)
def test_from_file_to_model(family, kind, tmp_path):
    (tmp_path / "ipadapter/faces").mkdir(parents=True)
    write(tmp_path / "ipadapter/faces/any name.safetensors", flat(content(family, kind)))
    with using(Context(models=tmp_path)):
        adapter = LoadImageAdapter.execute("faces/any name.safetensors").args[0]
        for wrong, says in (("other.bin", 'ipadapter has no "other.bin"'), ("../../etc/passwd.bin", "passwd.bin")):
            with pytest.raises(ConcordError, match=says):
                LoadImageAdapter.execute(wrong)
    vision = tower(1664, 1280) if adapter.clip == "ViT-bigG" else tower()
    patches = {"base": 4, "plus": 16, "full-face": 5}[kind]  # the small tower sees 2 x 2 patches and their summary
    for way in COMBINE:
        (edit,) = apply(adapter, vision, family, IMAGES, combine=way)
        pictures, wide = {"concat": (1, 3), "one per picture": (3, 1)}.get(way, (1, 1))
        assert edit.tokens.shape == (pictures, wide * patches, adapter.context) and edit.negative.shape == (1, patches, adapter.context)
        assert edit.projections is adapter and len(edit.layer_weights) == adapter.count
    (edit,) = apply(adapter, vision, family, image_negative=IMAGES[1:], combine="one per picture")
    assert torch.allclose(edit.negative, adapter.encode(vision.encode_image(IMAGES[1:])[adapter.needs], "batch"))
    other = "sdxl" if family == "sd15" else "sd15"
    with pytest.raises(ConcordError, match="any name.safetensors is made for Stable Diffusion"):
        apply(adapter, vision, other)
    with pytest.raises(ConcordError, match=f"any name.safetensors was trained with {adapter.clip} .*but the connected CLIP Vision is"):
        apply(adapter, tower() if adapter.clip == "ViT-bigG" else tower(1664, 1280), family)


def test_no_picture_is_zero_after_normalising_for_hidden_states_and_a_zero_embedding_else():
    (fine,), (coarse,) = (apply(read_image_adapter(content("sd15", kind)), tower()) for kind in ("plus", "base"))
    said = tower().encode(torch.zeros(1, 3, 28, 28)).penultimate_hidden_states
    assert torch.allclose(fine.negative, fine.projections.projector(said))
    assert torch.allclose(coarse.negative, coarse.projections.projector(torch.zeros(1, 1024)))


def test_the_crop_and_the_sockets_of_other_packs():
    raw = content("sd15", "base")
    tokens = lambda adapter, vision=None, **more: apply(adapter, vision, **more)[0].tokens
    own = tokens(read_image_adapter(raw), tower())
    assert not torch.allclose(own, tokens(raw, tower(), crop="squash"), atol=1e-3)
    bundle = {"clipvision": {"file": "v", "model": tower()}, "ipadapter": {"file": "x.bin", "model": raw}}
    assert torch.equal(own, tokens(raw, tower())) and torch.equal(own, tokens(bundle))
    half = {**bundle, "ipadapter": {"file": "x.bin", "model": {"image_proj": raw["image_proj"]}}}
    for wrong, says in ((None, "got a NoneType"), (half, "x.bin is not an image adapter: it has no ip_adapter")):
        with pytest.raises(ConcordError, match=says):
            tokens(wrong, tower())
    with pytest.raises(ConcordError, match="connect Load CLIP Vision with ViT-H"):
        tokens(raw)


def test_words_are_taken_off_the_single_embedding_only():
    adapter, words = read_image_adapter(nested(base(width=1280), few_layers()), "vit-G"), text(5)
    (edit,) = apply(adapter, tower(1664, 1280), subtract_text=words, subtract_amount=0.8)
    said = tower(1664, 1280).encode_image(IMAGES[:1]).image_embeds
    assert torch.allclose(edit.tokens, adapter.encode(said - 0.8 * words[0][1]["pooled_output"]), atol=1e-5)
    with pytest.raises(ConcordError, match="of the plus kind, which reads the picture in parts"):
        apply(read_image_adapter(content("sd15", "plus")), tower(), subtract_text=words)
    for prompt in ([], [[words[0][0], {}]]):
        with pytest.raises(ConcordError, match="no pooled embedding"):
            apply(adapter, tower(1664, 1280), subtract_text=prompt)


def test_a_second_prompt():
    words = [[torch.rand(1, 77, 768), {}], [torch.rand(2, 154, 768), {}]]
    made = DecoupledPrompt.execute(model(), words, 0.5, 0.1, 0.9, tokens_negative=words[:1], mask=torch.rand(20, 30), layer_weights="3:0.5").args[0]
    (edit,) = made.program.edits
    assert (edit.tokens.shape, edit.negative.shape, edit.mask.shape) == ((2, 231, 768), (1, 77, 768), (1, 20, 30))
    assert edit.projections is None and edit.window == (0.1, 0.9) and edit.layer_weights == (0, 0, 0, 0.5, *[0] * 12)
    masked = [[words[0][0], {"mask": torch.ones(1, 8, 8)}]]
    for wrong, says in (([], "no entry at all"), ([[torch.rand(1, 77, 64), {}]], "tokens 64 wide"), (masked, "its own mask")):
        with pytest.raises(ConcordError, match=says):
            DecoupledPrompt.execute(model(), wrong, 0.5, 0.0, 1.0)
