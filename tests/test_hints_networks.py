"""Hints that a network makes: its files, how it sees pictures, what comes out. The networks here are small or random."""
from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from concord.model_loaders.depth import read_depth
from concord.model_loaders.soft_edge import read_soft_edge
from concord.processors.errors import ConcordError
from concord.processors.images.depth import depth_hint
from concord.processors.images.soft_edge import soft_edges
from safetensors.torch import save_file

from .hint_makers import scene
from .hint_networks import dexined, save_depth


@pytest.fixture(scope="module")
def dexined_state() -> dict[str, torch.Tensor]:
    return dexined().state_dict()


@pytest.mark.parametrize("kind", ["pth", "safetensors", "checkpoint"])
def test_soft_edge_files(kind, dexined_state, tmp_path):
    path = tmp_path / f"net.{'safetensors' if kind == 'safetensors' else 'pth'}"
    if kind == "safetensors":
        save_file({name: tensor for name, tensor in dexined_state.items() if "num_batches" not in name}, path)
    else:
        torch.save({"state_dict": {f"module.{n}": t.half() for n, t in dexined_state.items()}} if kind == "checkpoint" else dexined_state, path)
    network, image = read_soft_edge(path), scene(1, 48, 64)
    expected = soft_edges(dexined(), image)
    assert not network.training and (soft_edges(network, image) - expected).abs().max() < (0.05 if kind == "checkpoint" else 1e-6)
    assert expected.std() > 1e-3


def test_soft_edges_keep_sizes_and_batches():
    network, image = dexined(), scene(2, 65, 97)
    made = soft_edges(network, image)
    assert made.shape == (2, 1, 65, 97) and 0 <= made.min() < made.max() <= 1
    assert (soft_edges(network, image[1:]) - made[1:]).abs().max() < 1e-5
    assert set(soft_edges(network, image, safe=True).unique().tolist()) <= {0, 0.5, 1}
    assert soft_edges(network, image[..., :1, :1]).shape == (2, 1, 1, 1)


def test_soft_edges_hand_over_blue_green_red_of_255_without_the_mean():
    seen = []
    network = lambda pictures: [seen.append(pictures), torch.zeros(1, 1, *pictures.shape[2:]), torch.full((1, 1, *pictures.shape[2:]), 9.0)][1:]
    made = soft_edges(network, torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand(1, 3, 10, 20))
    assert made.shape == (1, 1, 10, 20) and made.min() > 0.99, "the last of several maps counts"
    assert seen[0].shape == (1, 3, 16, 32) and torch.allclose(seen[0][0, :, 0, 0], torch.tensor([-103.939, 127.5 - 116.779, 255 - 123.68]))


def test_wrong_soft_edge_files_are_refused(dexined_state, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "was run",)

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": Evil()}))
    torch.save(dexined_state, tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:100_000])
    (tmp_path / "cut.safetensors").write_bytes(b"\x40" * 64)
    torch.save({"other.weight": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save(dexined_state | {"block_1.conv1.weight": torch.zeros(32, 4, 3, 3)}, tmp_path / "shape.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    told = {"evil.pth": "refused", "cut.pth": "incomplete|damaged", "cut.safetensors": "incomplete", "other.pth": "not a DexiNed file.*other.weight",
            "shape.pth": "not a DexiNed file.*block_1.conv1.weight", "list.pth": "no named tensors", "absent.pth": "not there"}  # fmt: skip
    for name, words in told.items():
        with pytest.raises(ConcordError, match=words) as error:
            read_soft_edge(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize("kind", ["depth_anything", "dpt"])
def test_depth_of_each_kind(kind, tmp_path):
    save_depth(tmp_path / kind, kind)
    model, image = read_depth(tmp_path / kind), scene(2, 65, 97)
    predict = lambda pictures: model.network(pictures).predicted_depth
    made = depth_hint(predict, image, model.wants, model.metres)
    assert made.shape == (2, 1, 65, 97) and not model.metres
    assert made.amin((2, 3)).eq(0).all() and (made.amax((2, 3)) - 1).abs().max() < 1e-5, "each picture has its whole range"
    assert (depth_hint(predict, image[1:], model.wants) - made[1:]).abs().max() < 1e-3


@pytest.mark.parametrize("settings", [{}, {"keep_aspect_ratio": False, "ensure_multiple_of": 1}, {"resample": 2, "size": {"height": 70, "width": 42}}])
def test_pictures_are_prepared_as_transformers_prepares_them(settings, tmp_path):
    """Measured against its own processor, which rounds to 8 bits in between: 2 of 255, and deviations of a fifth."""
    from transformers import DPTImageProcessor

    save_depth(tmp_path / "d", "depth_anything", **settings)
    image = (255 * scene(1, 90, 141)).round() / 255
    wants, own = read_depth(tmp_path / "d").wants, DPTImageProcessor.from_pretrained(tmp_path / "d", local_files_only=True)
    expected = own(images=[(255 * image[0]).byte().movedim(0, -1).numpy()], return_tensors="pt")["pixel_values"]
    assert wants.prepare(image).shape == expected.shape and (wants.prepare(image) - expected).abs().max() < 2 / 255 / 0.22


def test_metres_are_turned_round():
    near_left = torch.linspace(1, 9, 20).expand(1, 30, 20)
    wants = read_wants()
    for metres, side in ((True, 0), (False, -1)):
        made = depth_hint(lambda pictures: near_left, scene(1, 40, 40), wants, metres)[0, 0]
        assert made[20, side] > 0.95 and made[20, -1 - side] < 0.05
    assert not depth_hint(lambda pictures: torch.full((1, 30, 20), 3.0), scene(1, 40, 40), wants).any()


def read_wants():
    from concord.processors.images.depth import DepthInput

    return DepthInput(28, 28, True, 14, "bicubic", (0.5,) * 3, (0.5,) * 3)


def test_wrong_depth_folders_are_refused(tmp_path):
    good = save_depth(tmp_path / "good", "depth_anything")
    weights = (good / "model.safetensors").read_bytes()

    def changed(name: str, **files: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for path in good.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        for stem, content in files.items():
            path = folder / {"config": "config.json", "pictures": "preprocessor_config.json", "weights": "model.safetensors"}[stem]
            path.unlink() if content is None else path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return folder

    config, pictures = (json.loads((good / name).read_text()) for name in ("config.json", "preprocessor_config.json"))
    for number, (files, words) in enumerate((
        ({"config": {"model_type": "bert"}}, "holds a bert model"), ({"config": None}, "no config.json"), ({"pictures": None}, "no preprocessor"),
        ({"weights": None}, "no model.safetensors"), ({"weights": weights[:5000]}, "incomplete"), ({"config": b"{"}, "cannot be read as JSON"),
        ({"config": {**config, "head_hidden_size": 16}}, "does not fit its config.json"), ({"pictures": {**pictures, "do_pad": True}}, "do_pad"),
        ({"config": {**config, "backbone": "resnet50"}}, "nothing is fetched"), ({"config": [1]}, "not settings"),
        ({"config": {**config, "backbone_config": "dinov2"}}, "backbone_config is 'dinov2'"),
        ({"config": {**config, "head_hidden_size": "8"}}, "no network that can be built"),
        ({"config": {**config, "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}}, "no network that can be built"),
        ({"weights": b"version https://git-lfs.github.com/spec/v1"}, "cannot be read"), ({"pictures": {**pictures, "size": {"shortest_edge": 56}}}, "size"),
        ({"pictures": {**pictures, "rescale_factor": 1}}, "rescale_factor 1"), ({"pictures": {**pictures, "image_mean": [0.5]}}, "image_mean"),
        ({"pictures": {**pictures, "image_std": [0, 1, 1]}}, "image_std"), ({"pictures": {**pictures, "resample": "bicubic"}}, "resample bicubic"),
    )):  # fmt: skip
        with pytest.raises(ConcordError, match=words) as error:
            read_depth(changed(str(number), **files))
        assert "\n" not in str(error.value) and len(str(error.value)) < 500
