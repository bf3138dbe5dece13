"""Two thousand bad inputs, made of good ones by seed: each is taken, or refused in one clear way; nothing breaks, runs, or is written anywhere."""
from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers.graph.context import Context  # noqa: E402
from concord.hosts.diffusers.graph.runner import check_file  # noqa: E402
from concord.hosts.diffusers.loading.lora import read_layers  # noqa: E402
from concord.model_loaders.files import read_nested  # noqa: E402
from concord.model_loaders.image_adapter import read_image_adapter  # noqa: E402
from concord.processors.attention.layer_ranges import parse_ranges  # noqa: E402
from concord.processors.attention.word_windows import weights_of, windows_of  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.regions_text import from_boxes, parse  # noqa: E402
from concord.processors.schedule import Curve  # noqa: E402
from concord.tests.image_adapter_files import Maker, few_layers, flat, nested, write  # noqa: E402
from concord.tests.mutations import ODD, broken_bytes, broken_json, broken_tensors, broken_text  # noqa: E402
from concord.tests.prompts import prompt  # noqa: E402

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json")) + sorted((ROOT / "workflows" / "api").glob("*.json"))
REGIONS = [{"box": [0.1, 0.2, 0.5, 0.9], "words": "red cat", "strength": 1.5, "curve": "0:1, 0.5:0"},
           {"polygon": [[0, 0], [1, 0.1], [0.4, 1]], "prompt": "a hill"}]
BOXES = [{"x": 3, "y": 4, "width": 50, "height": 60, "metadata": {"type": "obj", "desc": "cat"}}]


def small_adapter() -> dict[str, dict[str, torch.Tensor]]:
    make = Maker(1)
    return nested(make.linear("proj", 4 * 768, 8) | make.norm("norm", 768), few_layers())


def taken_or_refused(act: Callable[[], Any]) -> bool:
    """Whether it was taken; a refusal is a ConcordError of one readable message."""
    try:
        act()
    except ConcordError as error:
        assert str(error).strip() and len(str(error)) < 6000
        return False
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the bad files lie; all around it stays as it is."""
    (tmp_path / "in").mkdir()
    yield tmp_path / "in"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pt"])
def test_files_that_are_damaged(folder, suffix):
    good = write(folder / f"good{suffix}", flat(small_adapter()) if suffix == ".safetensors" else small_adapter()).read_bytes()
    refused, bad = 0, folder / f"bad{suffix}"
    for seed in range(130):
        bad.write_bytes(broken_bytes(good, Random(seed)))
        refused += not taken_or_refused(lambda: read_image_adapter(bad, "bad"))
        taken_or_refused(lambda: read_layers(bad))
    assert refused > 100


def test_tensors_that_do_not_fit():
    good = flat(small_adapter())
    refused = sum(not taken_or_refused(lambda seed=seed: read_image_adapter(broken_tensors(good, Random(seed)), "bad")) for seed in range(400))
    assert refused > 250


class Harm:
    """What a pickle can ask for: that something is run when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.asked = function, arguments

    def __reduce__(self):
        return self.asked


@pytest.mark.parametrize("wrapped", [lambda harm: harm, lambda harm: {"image_proj": harm}, lambda harm: [torch.zeros(2), {"a": harm}]])
def test_files_that_would_run_something(folder, wrapped):
    mark = folder / "was run"
    asked = [(os.mkdir, str(mark)), (os.system, f"mkdir '{mark}'"), (eval, f"__import__('os').mkdir({str(mark)!r})"), (Path.mkdir, mark)]
    for number, (function, argument) in enumerate(asked):
        harm = wrapped(Harm(function, argument))
        (folder / f"{number}.bin").write_bytes(pickle.dumps(harm))
        torch.save(harm, folder / f"{number}.pt")
        for file in (folder / f"{number}.bin", folder / f"{number}.pt"):
            for read in (read_nested, lambda path: read_image_adapter(path, path.name), read_layers):
                assert not taken_or_refused(lambda read=read, file=file: read(file))
    assert not mark.exists()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: str(file.relative_to(ROOT / "workflows")))
def test_workflows_that_were_changed(folder, file):
    good, context = json.loads(file.read_text(encoding="utf-8")), Context(models=folder / "models", input=folder / "input", output=folder / "output")
    for seed in range(16):
        random = Random(f"{file.name} {seed}")
        bad = folder / "bad.json"
        text = json.dumps(broken_json(good, random))
        bad.write_text(broken_text(text[:2000], random) + text[2000:] if seed % 4 == 3 else text, encoding="utf-8")
        taken_or_refused(lambda bad=bad: check_file(bad, context))
    assert sorted(path.name for path in folder.iterdir()) == ["bad.json"]


READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "curve": ("0:1, 0.5:0.2, 1:0", Curve.parse),
    "layers": ("0, 2-5, 10-15", lambda text: parse_ranges(text, 16)),
    "windows of words": ("default:0-0.8, red:0-0.4", lambda text: windows_of(text, [prompt("a red cat")])),
    "weights of words": ("red:2, cat:0.5", lambda text: weights_of(text, [prompt("a red cat")])),
    "regions": (json.dumps(REGIONS), parse),
}


@pytest.mark.parametrize("name", READERS)
def test_texts_that_slipped(name):
    good, read = READERS[name]
    read(good)
    for seed in range(100):
        taken_or_refused(lambda seed=seed: read(broken_text(good, Random(seed))))
    for odd in ODD:
        if isinstance(odd, str):
            taken_or_refused(lambda odd=odd: read(odd))


def test_regions_and_boxes_of_other_nodes():
    for seed in range(200):
        taken_or_refused(lambda seed=seed: parse(json.dumps(broken_json(REGIONS, Random(seed)))))
        taken_or_refused(lambda seed=seed: from_boxes(broken_json(BOXES, Random(seed)), 64, 96))
    for odd in ODD:
        taken_or_refused(lambda odd=odd: from_boxes(odd, 64, 96))
