"""UI format -> API format: the same prompt as ComfyUI's frontend makes of the same drawing."""
from __future__ import annotations

from typing import Any

import pytest
from concord.hosts.diffusers.graph.check import check
from concord.hosts.diffusers.graph.convert import to_prompt
from concord.processors.errors import ConcordError
from concord.tests.graph_drawings import as_version_1, graph, node
from concord.tests.graph_fakes import REGISTRY

MAKE = {"text": "hi", "seed": 1, "weight": 0.5, "mood": "calm", "twice": False}
TOLD = (1, 0, 9, "words")


def inputs(drawn: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {id: call["inputs"] for id, call in to_prompt(drawn, REGISTRY).calls.items()}


CASES = {
    "plain": (graph(node(1, "Make"), node(9, "Tell"), wires=(TOLD,)), {"1": MAKE, "9": {"words": ["1", 0]}}),
    "notes are left out": (
        graph(node(1, "Make"), node(9, "Tell"), node(3, "Note", values=["read me"]), node(4, "MarkdownNote", values=["# read"]), wires=(TOLD,)),
        {"1": MAKE, "9": {"words": ["1", 0]}},
    ),
    "no control value after the seed": (graph(node(1, "Make", values=["hi", 1, 0.5, "calm", True])), {"1": MAKE | {"twice": True}}),
    "fewer values than widgets": (graph(node(1, "Make", values=["hi", 1, "fixed"])), {"1": MAKE | {"weight": 1.0}}),
    "values by name": (graph(node(1, "Make", values={"text": "hi", "seed": 1, "weight": 0.5})), {"1": MAKE}),
    "a list value is wrapped": (graph(node(1, "Make", values=[["a", 0], 1, "fixed", 0.5, "calm", False])), {"1": MAKE | {"text": {"__value__": ["a", 0]}}}),
    "reroutes in a row": (
        graph(node(1, "Make"), node(2, "Reroute"), node(3, "Reroute"), node(9, "Tell"), wires=((1, 0, 2, ""), (2, 0, 3, ""), (3, 0, 9, "words"))),
        {"1": MAKE, "9": {"words": ["1", 0]}},
    ),
    "an open reroute": (graph(node(1, "Make"), node(2, "Reroute"), node(4, "Change"), wires=((2, 0, 4, "more"),)), {"1": MAKE, "4": {"number": 1}}),
    "primitive": (graph(node(1, "Make"), node(2, "PrimitiveNode", values=[42, "fixed"]), wires=((2, 0, 1, "seed", "INT", True),)), {"1": MAKE | {"seed": 42}}),
    "primitive through a reroute": (
        graph(node(1, "Make"), node(2, "PrimitiveNode", values=[42, "fixed"]), node(3, "Reroute"), wires=((2, 0, 3, ""), (3, 0, 1, "seed", "INT", True))),
        {"1": MAKE | {"seed": 42}},
    ),
    "a converted widget": (graph(node(1, "Make"), node(4, "Change"), wires=((1, 1, 4, "number", "INT", True),)), {"1": MAKE, "4": {"number": ["1", 1]}}),
    "bypassed: same type passes": (
        graph(node(1, "Make"), node(4, "Change", mode=4), node(9, "Tell"), wires=((1, 0, 4, "words"), (4, 0, 9, "words"))),
        {"1": MAKE, "9": {"words": ["1", 0]}},
    ),
    "bypassed: the first input of the type": (
        graph(
            node(1, "Make"), node(4, "Change", mode=4), node(9, "Tell"),
            wires=((1, 1, 4, "number", "INT", True), (1, 0, 4, "words"), (4, 0, 9, "words")),
        ),
        {"1": MAKE, "9": {"words": ["1", 0]}},
    ),
    "bypassed: chains": (
        graph(
            node(1, "Make"), node(4, "Change", mode=4), node(5, "Change", mode=4), node(9, "Tell"),
            wires=((1, 0, 4, "words"), (4, 0, 5, "words"), (5, 0, 9, "words")),
        ),
        {"1": MAKE, "9": {"words": ["1", 0]}},
    ),
    "muted: an optional input stays open": (
        graph(node(1, "Make"), node(2, "Make", mode=2), node(4, "Change"), wires=((1, 0, 4, "words"), (2, 0, 4, "more"))),
        {"1": MAKE, "4": {"number": 1, "words": ["1", 0]}},
    ),
    "muted: a widget keeps its value": (graph(node(2, "Make", mode=2), node(4, "Change"), wires=((2, 1, 4, "number", "INT", True),)), {"4": {"number": 1}}),
    "muted: what needs it is left out, and so on": (
        graph(
            node(1, "Make"), node(2, "Make", mode=2), node(4, "Change"), node(5, "Tell"), node(9, "Tell"),
            wires=((2, 0, 4, "words"), (4, 0, 5, "words"), TOLD),
        ),
        {"1": MAKE, "9": {"words": ["1", 0]}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", ["0.4", "1"])
def test_prompt(case: str, version: str) -> None:
    drawn, expected = CASES[case]
    assert inputs(as_version_1(drawn) if version == "1" else drawn) == expected


def test_titles_travel() -> None:
    assert to_prompt(graph(node(1, "Make", title="Mine")), REGISTRY).calls["1"]["_meta"] == {"title": "Mine"}


def test_what_is_left_out_is_told() -> None:
    prompt = to_prompt(CASES["muted: what needs it is left out, and so on"][0], REGISTRY)
    assert prompt.notes == [
        'node 4 (Change) is left out: node 2 (Make) is muted, and its input "words" cannot do without',
        'node 5 (Tell) is left out: node 4 (Change) is left out, and its input "words" cannot do without',
    ]
    assert check(prompt, REGISTRY) == []


def test_random_choices_are_told() -> None:
    (note,) = to_prompt(graph(node(1, "Make", values=["a {red|blue} cat"])), REGISTRY).notes
    assert note == 'node 1 (Make): input "text": {red|blue} stays as written; ComfyUI would choose one of them at random'
    assert to_prompt(graph(node(1, "Make", values=["a {red} \\{a|b} cat"])), REGISTRY).notes == []


def broken(*nodes: dict[str, Any], links: list[list[Any]] | None = None, wires: tuple[tuple[Any, ...], ...] = ()) -> list[str]:
    drawn = graph(*nodes, wires=wires)
    return check(to_prompt(drawn | ({"links": links} if links is not None else {}), REGISTRY), REGISTRY)


def test_broken_wires() -> None:
    tell = node(9, "Tell") | {"inputs": [{"name": "words", "type": "WORDS", "link": 5}]}
    start = 'node 9 (Tell): input "words" is missing: '
    assert broken(tell, links=[]) == [f"{start}link 5 leads nowhere: the file has no such link"]
    assert broken(tell, links=[[5, 77, 0, 9, 0, "WORDS"]]) == [f"{start}its wire comes from node 77, which the file does not have"]
    loop = node(2, "Reroute") | {"inputs": [{"name": "", "type": "*", "link": 6}]}
    assert broken(tell, loop, links=[[5, 2, 0, 9, 0, "*"], [6, 2, 0, 2, 0, "*"]]) == [f"{start}its wire runs in a circle through node 2 (Reroute)"]


def test_bypassed_without_a_fitting_input_says_so() -> None:
    assert broken(node(1, "Make", mode=4), node(9, "Tell"), wires=(TOLD,)) == [
        'node 9 (Tell): input "words" is missing: node 1 (Make) is bypassed and has no WORDS input to pass on'
    ]


@pytest.mark.parametrize("nodes", [[{"type": "Make"}], [7], [{"id": 1, "type": "Make", "inputs": [{}]}]])
def test_damaged_files_are_refused(nodes: list[Any]) -> None:
    with pytest.raises(ConcordError, match="not as ComfyUI writes them"):
        to_prompt({"nodes": nodes, "links": []}, REGISTRY)
