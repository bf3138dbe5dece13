"""Files that are no image adapter of ours are refused by what they are, what was found and what fits; nothing in them runs."""
from __future__ import annotations

import os
import pickle

import pytest
import torch
from concord.model_loaders.image_adapter import read_image_adapter
from concord.processors.errors import ConcordError

from .image_adapter_files import Maker, base, few_layers, flat, nested, plus, write

CONTENT = nested(base(), few_layers())
make = Maker(5)


def lora(inner: int = 4):
    return few_layers() | {f"{n}.to_{letter}_lora.{side}.weight": make(inner, inner) for n in range(4) for letter in "qkv" for side in ("down", "up")}


FACE = make.linear("proj.0", 1024, 512) | make.linear("proj.2", 3072, 1024) | make.norm("norm", 768)
OTHERS = {
    "a FaceID adapter": nested(FACE, lora()),
    "a FaceID adapter.": nested(FACE, few_layers()),  # portrait
    "a FaceID adapter, which": nested(FACE | {f"perceiver_resampler.{name}": t for name, t in plus().items()}, lora()),
    "a Kolors FaceID adapter": nested(FACE | {"perceiver_resampler.layers.0.0.to_out.weight": make(4096, 8)}, few_layers("sdxl")),
    "an image adapter for Kolors": nested(plus(2048, 1024, inner=2048, depth=1), few_layers("sdxl")),
    "InstantID's image adapter, or FaceID portrait": nested(plus(2048, 512, depth=1), few_layers("sdxl")),
    "an image adapter for Flux .InstantX": nested(make.linear("proj.0", 2304, 1152), {f"{n}.to_{x}_ip.weight": make(4, 4096) for n in range(57) for x in "kv"}),
    "an image adapter for Flux .XLabs": {"ip_adapter_proj_model.proj.weight": make(8, 8),
                                         "double_blocks.0.processor.ip_adapter_double_stream_k_proj.weight": make(8, 8)},
    "an image adapter for Stable Diffusion 3": nested(plus(depth=1) | make.linear("time_embedding.linear_1", 8, 8), few_layers()),
    "a PuLID file": {"id_adapter.latents": make(1, 8, 8), "id_adapter_attn_layers.1.id_to_k.weight": make(8, 8)},
    "a PhotoMaker file": {"id_encoder": {"a": make(2, 2)}, "lora_weights": {"b": make(2, 2)}},
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_adapters_are_refused_by_what_they_are(what):
    expected = f"file.bin is {what.rstrip('.').removesuffix(', which')}.*, which cannot be used here yet. What fits: IP-Adapter files"
    with pytest.raises(ConcordError, match=expected):
        read_image_adapter(OTHERS[what], "file.bin")


def without(content, part: str, *names: str):
    return {**content, part: {name: tensor for name, tensor in content[part].items() if name not in names}}


WRONG = {
    "it has no ip_adapter .found: image_proj": {"image_proj": base()},
    "it has no image_proj and ip_adapter .found: up.weight": {"up.weight": make(2, 2)},
    "found: dict without tensors": {},
    "its image_proj has norm.bias, norm.weight, proj.bias": without(CONTENT, "image_proj", "proj.weight"),
    "looks like base but is not complete .*norm.weight": without(CONTENT, "image_proj", "norm.weight"),
    "looks like plus but is not complete": nested({name: t for name, t in plus().items() if not name.startswith("layers.")}, few_layers()),
    "20 of its 31 layer tensors form pairs": without(CONTENT, "ip_adapter", "21.to_v_ip.weight"),
    "it is for 15 cross-attentions that read tokens 768 wide.*Stable Diffusion XL has 70 that read 2048":
        without(CONTENT, "ip_adapter", "31.to_k_ip.weight", "31.to_v_ip.weight"),
    "it is for 70 cross-attentions that read tokens 768 wide": nested(base(), {name: t[:, :768] for name, t in few_layers("sdxl").items()}),
    "layer 1 has keys .4, 768. and values .4, 767.": {**CONTENT, "ip_adapter": few_layers() | {"1.to_v_ip.weight": make(4, 767)}},
    "it reads image_embeds 999 wide.*ViT-H has 1024": nested(base(width=999), few_layers()),
}


@pytest.mark.parametrize("says", WRONG)
def test_damaged_and_unknown_files_are_refused_by_what_was_found(says):
    with pytest.raises(ConcordError, match=f"^file.bin .*{says}.*"):
        read_image_adapter(WRONG[says], "file.bin")


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_pickles_run_no_code(tmp_path):
    for name, dump in (("a.bin", lambda content, path: torch.save(content, path)), ("b.pt", lambda content, path: path.write_bytes(pickle.dumps(content, 2)))):
        dump({**CONTENT, "x": Evil(tmp_path / "mark")}, tmp_path / name)
        with pytest.raises(ConcordError, match=f"{name} is refused: it is a pickle that holds more than tensors.*Nothing in it was run"):
            read_image_adapter(tmp_path / name)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ("flat.safetensors", "nested.bin", "legacy.pt"))
@pytest.mark.parametrize("part", (0, 0.001, 0.4, 0.999))
def test_truncated_files_are_refused(name, part, tmp_path):
    path = write(tmp_path / name, flat(CONTENT) if name.endswith("safetensors") else CONTENT)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ConcordError, match=name):
        read_image_adapter(path)


@pytest.mark.parametrize("name", ("not there.safetensors", "text.txt"))
def test_what_is_no_weight_file(name, tmp_path):
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(ConcordError, match=name):
        read_image_adapter(tmp_path / name)
