"""Workflow files are told apart by content; a PNG gives back the workflow it was written with."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from concord.hosts.diffusers.graph.files import read
from concord.hosts.diffusers.graph.load import load
from concord.processors.errors import ConcordError
from concord.tests.graph_drawings import graph, node
from concord.tests.graph_fakes import REGISTRY, call
from PIL import Image
from PIL.PngImagePlugin import PngInfo

API = {"1": call("Make"), "9": call("Tell", words=["1", 0])}
UI = graph(node(1, "Make"), node(9, "Tell"), wires=((1, 0, 9, "words"),))


def png(path: Path, **chunks: object) -> Path:
    info = PngInfo()
    for name, content in chunks.items():
        info.add_text(name, content if isinstance(content, str) else json.dumps(content))
    Image.new("RGB", (2, 2)).save(path, "PNG", pnginfo=info)
    return path


def text(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_kinds(tmp_path: Path) -> None:
    assert read(text(tmp_path / "a.png", API)).prompt == API  # the name says nothing
    assert read(text(tmp_path / "b.txt", UI)).workflow == UI
    assert read(text(tmp_path / "c", {"prompt": API, "client_id": "x"})).prompt == API
    both = read(png(tmp_path / "d.json", prompt=API, workflow=UI))
    assert (both.prompt, both.workflow) == (API, UI)
    assert read(png(tmp_path / "e.png", workflow=UI)).prompt is None


def test_ui_and_api_give_the_same_prompt(tmp_path: Path) -> None:
    calls = load(text(tmp_path / "u", UI), REGISTRY)[1].calls
    twin = load(text(tmp_path / "a", calls), REGISTRY)[1].calls
    assert twin == calls and calls["9"]["inputs"] == {"words": ["1", 0]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not readable as JSON"),
        ("{", "not readable as JSON"),
        ("[]", "JSON, but no workflow: found list"),
        ("{}", "no workflow: found an object with nothing in it"),
        ('{"a": 1}', "no workflow: found an object with 'a'"),
        ('{"1": {"class_type": 3}}', 'node 1: "class_type" must be a string'),
        ('{"1": {"class_type": "Make", "inputs": []}}', '"inputs" an object'),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(ConcordError, match=words) as caught:
        read(text(tmp_path / "file.json", content))
    assert "file.json" in str(caught.value) and "\n" not in str(caught.value)


def test_pictures_without_a_workflow_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConcordError, match="a PNG without a workflow"):
        read(png(tmp_path / "a.png", parameters="a cat"))
    with pytest.raises(ConcordError, match="its `prompt` is not readable"):
        read(png(tmp_path / "b.png", prompt="a cat"))
    cut = png(tmp_path / "c.png", prompt=API)
    cut.write_bytes(cut.read_bytes()[:-30])
    with pytest.raises(ConcordError, match="a broken PNG"):
        read(cut)
    with pytest.raises(ConcordError, match="No such file"):
        read(tmp_path / "none.json")
