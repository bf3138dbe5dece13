"""ComfyUI as its users run it, with the pack among its custom nodes: it lists our nodes, and draws what `concord run` draws."""
from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest
from concord import comfy_entrypoint
from concord.cli import main as concord
from PIL import Image

from .conftest import ROOT, clean_environment, host_python
from .server import Server

DEEP = {"test_same_pictures_in_few_steps"}  # in older hosts: slow
WORKFLOWS = sorted((ROOT / "workflows" / "api").glob("*-practice.json"))


@pytest.fixture(scope="session")
def server(comfy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(comfy, host_python(comfy), ROOT, tmp_path_factory.mktemp("server"), clean_environment()) as running:
        yield running


@pytest.fixture(scope="session")
def headless(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict], dict[str, bytes]]:
    """What `concord run` makes of an API-format graph: PNG files by name; each graph is run once."""
    made: dict[str, dict[str, bytes]] = {}

    def run(prompt: dict) -> dict[str, bytes]:
        text = json.dumps(prompt)
        if text not in made:
            folder = tmp_path_factory.mktemp("out")
            (folder / "graph.json").write_text(text)
            assert concord(["run", str(folder / "graph.json"), "--out", str(folder), "--device", "cpu", "--quiet"]) == 0
            made[text] = {path.name: path.read_bytes() for path in folder.glob("*.png")}
        return made[text]

    return run


def our_nodes() -> dict[str, type]:
    nodes = asyncio.run(asyncio.run(comfy_entrypoint()).get_node_list())
    return {node.define_schema().node_id: node for node in nodes}


def test_all_nodes_are_listed(server: Server):
    listed = {name: node for name, node in server.json("/object_info").items() if name.startswith("Concord_")}
    assert sorted(listed) == sorted(our_nodes()), server.tail()
    assert {node["python_module"] for node in listed.values()} == {"custom_nodes.concord-main"}
    for name, node in listed.items():
        assert node["display_name"].endswith("(Concord)") and node["category"].startswith("concord") and node["description"], name
        for kind in ("required", "optional"):
            for label, (_, *options) in node["input"].get(kind, {}).items():
                assert options and options[0].get("tooltip"), f"{name}.{label} has no tooltip"
        assert all(node["output_tooltips"]), f"{name} has an output without a tooltip"


def test_the_log_has_no_complaint_about_us(server: Server):
    lines = [line for line in server.log.read_text(errors="replace").splitlines() if "concord" in line.lower()]
    assert not [line for line in lines if "error" in line.lower() or "fail" in line.lower() or "cannot" in line.lower()], lines


def test_templates_help_and_translations_are_served(server: Server):
    """What the browser asks for, under the pack's folder name."""
    templates = server.json("/workflow_templates")["concord-main"]
    assert sorted(templates) == sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
    for name in templates:
        assert server.get(f"/api/workflow_templates/concord-main/{name}.jpg"), f"{name} has no thumbnail"
    translated = server.json("/i18n")
    for name in our_nodes():
        for language in ("en", "zh"):
            page = server.get(f"/extensions/concord-main/docs/{name}/{language}.md")
            assert page and page.startswith(b"# "), f"{name} has no help in {language}"
            assert translated[language]["nodeDefs"][name]["display_name"]


def shorter(workflow: Path) -> dict:
    """A shipped graph with at most four steps, which is enough for a difference to show."""
    prompt = json.loads(workflow.read_text())
    for node in prompt.values():
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = min(4, node["inputs"]["steps"])
    return prompt


@pytest.mark.parametrize("workflow", [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (i % 3 > 0)) for i, path in enumerate(WORKFLOWS)])
def test_same_pictures_in_few_steps(server: Server, headless, workflow: Path):
    assert_same_pictures(server.run(shorter(workflow)), headless(shorter(workflow)))


@pytest.mark.slow
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_same_pictures(server: Server, headless, workflow: Path):
    prompt = json.loads(workflow.read_text())
    assert_same_pictures(server.run(prompt), headless(prompt))


def assert_same_pictures(theirs: dict[str, bytes], ours: dict[str, bytes]) -> None:
    plain = lambda files: {re.sub(r"_\d+_\.png$", "", name) for name in files}  # both number their files, a server over all its runs
    assert theirs and plain(theirs) == plain(ours) and len(theirs) == len(ours)
    for (name, png), (_, other) in zip(sorted(ours.items()), sorted(theirs.items()), strict=True):
        here, there = pixels(png), pixels(other)
        assert here.shape == there.shape and here.std() > 1, f"{name}: {here.shape} here, {there.shape} in ComfyUI"
        difference = numpy.abs(here - there).mean()
        assert difference <= 1, f"{name}: mean difference {difference:.2f} of 255, 1 is allowed"


def pixels(png: bytes) -> numpy.ndarray:
    return numpy.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=numpy.float32)


def test_practice_workflows_are_there():
    assert len(WORKFLOWS) >= 3
