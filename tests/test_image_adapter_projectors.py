"""The projectors make the tokens that diffusers' own classes make of the same weights, and their parameters are named as in the published files."""
from __future__ import annotations

import copy
import pickle

import pytest
import torch
from concord.model_loaders.image_adapter import read_image_adapter
from concord.model_loaders.projectors import build_projector
from concord.processors.errors import ConcordError

from .image_adapter_files import base, few_layers, full_face, nested, network, plus

CONTEXT = 768
FILES = {"base": base(), "bigG": base(width=1280, seed=3), "full-face": full_face(), "plus": plus(), "plus XL": plus(2048, inner=192, seed=4)}


def kind(name: str) -> str:
    return {"bigG": "base", "plus XL": "plus"}.get(name, name)


def context(name: str) -> int:
    return 2048 if "XL" in name else CONTEXT


def seen(name: str, pictures: int = 2, seed: int = 0) -> torch.Tensor:
    """What a vision tower would say."""
    shape = {"base": (1024,), "bigG": (1280,)}.get(name, (257, 1280))
    return torch.randn(pictures, *shape, generator=torch.Generator().manual_seed(seed))


def ours(name: str, **sizes):
    return build_projector(kind(name), FILES[name], context(name))


@pytest.mark.parametrize("name", FILES)
def test_tokens_are_those_of_diffusers(name):
    """Loading is strict on both sides, and goes both ways: what ours gives back is again what diffusers reads."""
    theirs, again = (network("sd15")._convert_ip_adapter_image_proj_to_diffusers(dict(state)) for state in (FILES[name], ours(name).state_dict()))
    pictures = seen(name)
    with torch.no_grad():
        expected, tokens = theirs(pictures), ours(name)(pictures)
    assert tokens.shape == expected.shape == (2, {"base": 4, "plus": 16, "full-face": 257}[kind(name)], context(name))
    assert (tokens - expected).abs().max() < 1e-5 * expected.abs().max() and torch.equal(again(pictures), expected)


@pytest.mark.parametrize("name", FILES)
def test_parameters_have_the_names_and_shapes_of_the_files(name):
    state = ours(name).state_dict()
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in FILES[name].items()}
    assert all(torch.equal(value, FILES[name][key]) for key, value in state.items())


def adapter(name: str):
    return read_image_adapter(nested(FILES[name], few_layers("sdxl" if "XL" in name else "sd15")), f"{name} file")


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_is(name):
    found = adapter(name)
    kinds = {"base": ("image_embeds", 1024, 4, "ViT-H"), "bigG": ("image_embeds", 1280, 4, "ViT-bigG"), "full-face": (None, 1280, 257, "ViT-H")}
    needs, width, tokens, clip = kinds.get(name, (None, 1280, 16, "ViT-H"))
    assert (found.needs, found.width, found.tokens, found.clip) == (needs or "penultimate_hidden_states", width, tokens, clip)
    assert (found.kind, found.family, found.count) == (kind(name), *(("sdxl", 70) if "XL" in name else ("sd15", 16)))
    assert not any(p.requires_grad for p in found.projector.parameters()) and not found.projector.training


@pytest.mark.parametrize("name", ("base", "plus", "full-face"))
def test_no_picture_is_the_authors_own(name):
    """Zero embeddings through the projector; for hidden states, those of the zero picture that the caller has."""
    found, zero = adapter(name), seen(name, 1, seed=9)
    assert torch.equal(found.nothing(zero), found.projector(torch.zeros(1, 1024) if name == "base" else zero))
    if name != "base":
        with pytest.raises(ConcordError, match="needs those of one that is zero after normalising"):
            found.nothing()


def test_several_pictures_stand_side_by_side_or_become_one():
    found = adapter("base")
    each, together, one = (found.encode(seen("base", 3), how) for how in ("batch", "concatenate", "average"))
    assert torch.equal(each, found.projector(seen("base", 3))) and torch.equal(together, each.reshape(1, 12, 768))
    assert torch.allclose(one, found.projector(seen("base", 3).mean(0, keepdim=True)))


@pytest.mark.parametrize("name, other, says", (("base", "bigG", "ViT-H .image_embeds 1024 wide., but the connected CLIP Vision is ViT-bigG .1280 wide"),
                                               ("bigG", "base", "ViT-bigG .image_embeds 1280 wide., but the connected CLIP Vision is ViT-H")))
def test_another_vision_tower_is_refused(name, other, says):
    with pytest.raises(ConcordError, match=f"{name} file was trained with {says}"):
        adapter(name).encode(seen(other))


def test_another_model_is_refused():
    found = adapter("plus XL")
    found.check_model(70, 2048, "my SDXL")
    with pytest.raises(ConcordError, match=r"plus XL file is made for Stable Diffusion XL \(70 .* 2048 wide\), but my SD 1.5 has 16 that read 768"):
        found.check_model(16, 768, "my SD 1.5")


def test_keys_and_values_come_in_the_tokens_precision_and_the_weights_stay():
    layers = {key: value.half() for key, value in few_layers().items()}
    found = read_image_adapter(nested(FILES["base"], layers))
    tokens = torch.randn(2, 4, 768)
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        k, v = found.project(15, tokens.to(dtype))
        assert k.dtype == v.dtype == dtype
        assert torch.equal(k, tokens.to(dtype) @ layers["31.to_k_ip.weight"].to(dtype).T)
        assert torch.equal(v, tokens.to(dtype) @ layers["31.to_v_ip.weight"].to(dtype).T)
    elsewhere = found.project(15, tokens.to("meta"))[0]  # as on a graphics card: the result is there, the weights are not
    assert elsewhere.device.type == "meta" and all(weight.device.type == "cpu" for pair in found.pairs for weight in pair)
    assert found.pairs[15][0].data_ptr() == layers["31.to_k_ip.weight"].data_ptr()


def test_an_adapter_is_data_with_an_id_of_its_content():
    one, same = adapter("base"), read_image_adapter(nested(FILES["base"], few_layers()), "another name")
    assert copy.deepcopy(one) is one and one.id == same.id == pickle.loads(pickle.dumps(same)).id
    changed = few_layers()
    changed["17.to_v_ip.weight"] = changed["17.to_v_ip.weight"].clone()
    changed["17.to_v_ip.weight"][-1, -1] += 1e-3
    others = (nested(FILES["base"], changed), nested(base(seed=8), few_layers()), nested(FILES["base"], few_layers(seed=8)))
    assert len({one.id, *(read_image_adapter(other).id for other in others)}) == 4
