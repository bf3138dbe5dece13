"""Every shipped workflow: as the editor saves it, true to our nodes, laid out for people, and the same graph as its API twin."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import jsonschema
import pytest
from concord.hosts.diffusers.graph.check import check
from concord.hosts.diffusers.graph.context import Context, FileNames
from concord.hosts.diffusers.graph.convert import AFTER_GENERATE, to_prompt
from concord.hosts.diffusers.graph.prompt import Prompt
from concord.hosts.diffusers.graph.registry import Registry, default_registry
from concord.hosts.diffusers.graph.values import fitting
from concord.tools.drawing import has_control
from concord.tools.workflows import FOLDER, build_all, files
from PIL import Image

from .workflow_schema import WORKFLOW

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
TITLE = 30  # height of a node's title bar, above its position


@pytest.fixture(scope="module")
def registry() -> Registry:
    return default_registry(Context(models=Path("no models"), input=Path("no input")))


@pytest.fixture(params=NAMES)
def drawn(request: pytest.FixtureRequest) -> dict:
    return load(FOLDER / f"{request.param}.json")


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_files_are_what_the_builders_write(registry: Registry) -> None:
    written = files(build_all(registry))
    assert {path for path in FOLDER.rglob("*.json")} == set(written), "run `python -m concord.tools.workflows`"
    for path, text in written.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old; run `python -m concord.tools.workflows`"


def test_every_practice_technique_is_there() -> None:
    assert {"text-to-image-practice", "controlnet-practice", "style-aligned-practice", "panorama-practice"} <= set(NAMES)


def test_schema(drawn: dict) -> None:
    jsonschema.validate(drawn, WORKFLOW)


def test_links_agree_with_both_their_ends(drawn: dict) -> None:
    nodes = {node["id"]: node for node in drawn["nodes"]}
    assert len(nodes) == len(drawn["nodes"]) and drawn["last_node_id"] == max(nodes)
    assert drawn["last_link_id"] == max(link[0] for link in drawn["links"])
    for id, origin, slot, target, target_slot, kind in drawn["links"]:
        assert id in nodes[origin]["outputs"][slot]["links"] and nodes[origin]["outputs"][slot]["type"] == kind
        slot_in = nodes[target]["inputs"][target_slot]
        assert slot_in["link"] == id and kind in slot_in["type"].split(",")  # an input may take several types
    known = {link[0] for link in drawn["links"]}
    assert len(known) == len(drawn["links"]) and known == {i["link"] for node in nodes.values() for i in node["inputs"] if i["link"]}
    assert sorted(known) == sorted(link for node in nodes.values() for output in node["outputs"] for link in output["links"] or [])


def test_nodes_are_as_their_schemas_say(drawn: dict, registry: Registry) -> None:
    for node in drawn["nodes"]:
        if node["type"] == "MarkdownNote":
            continue
        kind = registry.get(node["type"])
        assert kind is not None, node["type"]
        assert [o["type"] for o in node["outputs"]] == [o.io_type for o in kind.outputs if not kind.schema.is_output_node]
        assert {i["name"]: i["type"] for i in node["inputs"]}.items() >= {i.id: i.io_type for i in kind.schema.inputs if i not in kind.widgets}.items()
        values = list(node.get("widgets_values", []))
        for widget in kind.widgets:
            value = values.pop(0)
            if not isinstance(getattr(widget, "options", None), FileNames):
                assert fitting(widget, value) == value, f"{node['type']}.{widget.id}"
            if has_control(widget):
                assert values.pop(0) in AFTER_GENERATE
        assert not values, f"{node['type']} has {len(values)} values too many"


def test_api_twin_is_the_same_graph(drawn: dict, registry: Registry, request: pytest.FixtureRequest) -> None:
    twin = load(FOLDER / "api" / f"{request.node.callspec.params['drawn']}.json")
    calls = to_prompt(drawn, registry).calls
    assert {id: (call["class_type"], call["inputs"]) for id, call in calls.items()} == {id: (call["class_type"], call["inputs"]) for id, call in twin.items()}


@pytest.mark.parametrize("name", NAMES)
def test_thumbnail(name: str) -> None:
    with Image.open(FOLDER / f"{name}.jpg") as picture:
        assert picture.size[0] == picture.size[1] == 400
    assert (FOLDER / f"{name}.jpg").stat().st_size < 60_000


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-practice")])
def test_practice_workflows_need_no_file(name: str, registry: Registry) -> None:
    calls = load(FOLDER / "api" / f"{name}.json")
    assert check(Prompt(calls), registry) == []
    assert any(call["class_type"] == "SaveImage" for call in calls.values())


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("-practice")])
def test_real_workflows_miss_nothing_but_models(name: str, registry: Registry) -> None:
    drawn = load(FOLDER / f"{name}.json")
    models = {model["name"] for node in drawn["nodes"] for model in node["properties"].get("models", [])}
    lines = check(to_prompt(drawn, registry), registry)
    assert models and len(lines) == len(models)
    assert all(any(f'has no "{model}"' in line for line in lines) for model in models), lines
    note = next(node for node in drawn["nodes"] if node["type"] == "MarkdownNote")["widgets_values"][0]
    assert all(model in note for model in models)


def test_nothing_lies_over_anything_else(drawn: dict) -> None:
    groups = {group["title"]: box(*group["bounding"]) for group in drawn["groups"]}
    nodes = {node["id"]: box(node["pos"][0], node["pos"][1] - TITLE, node["size"][0], node["size"][1] + TITLE) for node in drawn["nodes"]}
    assert len(groups) == len(drawn["groups"]), "two groups have the same title"
    for boxes in (groups, nodes):
        for (one, a), (other, b) in combinations(boxes.items(), 2):
            assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]), f"{one} lies over {other}"
    for id, inner in nodes.items():
        holders = [title for title, outer in groups.items() if outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]]
        assert len(holders) == 1, f"node {id} lies in {holders or 'no group'}"


def test_flows_from_left_to_right(drawn: dict) -> None:
    places = {node["id"]: node["pos"] for node in drawn["nodes"]}
    for _, origin, _, target, *_ in drawn["links"]:
        (x, y), (x1, y1) = places[origin], places[target]
        assert x < x1 or (x == x1 and y < y1), f"the link from {origin} to {target} runs backwards"


def box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x, y, x + width, y + height
