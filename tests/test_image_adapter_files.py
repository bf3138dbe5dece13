"""Every published layout and kind of image adapter loads, told by its tensors."""
from __future__ import annotations

import pytest
import torch
from concord.model_loaders.image_adapter import read_image_adapter
from concord.practice.model import WEIGHTS

from .image_adapter_files import base, few_layers, flat, full_face, nested, plus, write

CONTENT = nested(base(), few_layers())


def renamed(content, **parts):
    return {parts.get(part, part): tensors for part, tensors in content.items()}


LAYOUTS = {
    "flat.safetensors": flat(CONTENT),
    "modules.safetensors": flat(renamed(CONTENT, ip_adapter="adapter_modules")),
    "training.safetensors": flat(renamed(CONTENT, ip_adapter="adapter_modules", image_proj="image_proj_model")),
    "nested.bin": CONTENT,
    "modules.bin": renamed(CONTENT, ip_adapter="adapter_modules"),
    "flat.bin": flat(CONTENT),
    "wrapped.ckpt": {"state_dict": CONTENT, "step": 3},
    "half.pth": {part: {name: tensor.half() for name, tensor in tensors.items()} for part, tensors in CONTENT.items()},
    "legacy.pt": CONTENT,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_the_same_adapter(name, tmp_path):
    found = read_image_adapter(write(tmp_path / name, LAYOUTS[name]))
    assert (found.name, found.kind, found.family, found.clip, found.tokens) == (name, "base", "sd15", "ViT-H", 4)
    exact = name != "half.pth"
    assert (found.id == read_image_adapter(CONTENT).id) == exact
    assert torch.allclose(found.encode(torch.ones(1, 1024)), read_image_adapter(CONTENT).encode(torch.ones(1, 1024)), atol=1e-6 if exact else 1e-2)
    assert str(tmp_path) not in found.name and read_image_adapter(tmp_path / name, "my name").name == "my name"


PUBLISHED = {  # file -> its two halves, and (kind, family, vision tower, tokens)
    "ip-adapter_sd15": (base(), "sd15", ("base", "ViT-H", 4)),
    "ip-adapter_sd15_vit-G": (base(width=1280), "sd15", ("base", "ViT-bigG", 4)),
    "ip-adapter-plus_sd15, plus-face, composition": (plus(), "sd15", ("plus", "ViT-H", 16)),
    "ip-adapter-full-face_sd15": (full_face(), "sd15", ("full-face", "ViT-H", 257)),
    "ip-adapter_sdxl": (base(2048, 1280), "sdxl", ("base", "ViT-bigG", 4)),
    "ip-adapter_sdxl_vit-h": (base(2048), "sdxl", ("base", "ViT-H", 4)),
    "ip-adapter-plus_sdxl_vit-h, plus-face, composition": (plus(2048), "sdxl", ("plus", "ViT-H", 16)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_are_told_by_their_tensors(name):
    image_proj, family, expected = PUBLISHED[name]
    found = read_image_adapter(nested(image_proj, few_layers(family)), "any name")
    assert (found.family, (found.kind, found.clip, found.tokens)) == (family, expected)


def test_the_practice_adapter():
    found = read_image_adapter(WEIGHTS / "image_adapter.safetensors")
    assert (found.kind, found.family, found.context, found.clip, found.needs, found.width) == ("base", "practice", 64, "practice", "image_embeds", 64)
    assert [k.shape for k, _ in found.pairs] == [(64, 64)] * 16
