"""Subgraphs are opened: ids joined by colons, both ends followed, shown widgets carried in."""
from __future__ import annotations

from typing import Any

import pytest
from concord.hosts.diffusers.graph.convert import to_prompt
from concord.processors.errors import ConcordError
from concord.tests.graph_drawings import graph, node, subgraph
from concord.tests.graph_fakes import REGISTRY

INNER = subgraph(
    "abc", node(1, "Change"), node(2, "Change"), inputs=("in", "number"), outputs=("out",),
    wires=((-10, 0, 1, "words"), (-10, 1, 1, "number", "INT", True), (1, 0, 2, "words"), (2, 0, -20, "out")),
)  # fmt: skip


def drawn(*, mode: int = 0, values: Any = (), definitions: tuple[dict[str, Any], ...] = (INNER,), **properties: Any) -> dict[str, Any]:
    made = graph(
        node(1, "Make"), node(5, "abc", mode=mode, values=list(values), outputs=[{"type": "WORDS"}], properties=properties), node(9, "Tell"),
        wires=((1, 0, 5, "in"), (5, 0, 9, "words")), definitions={"subgraphs": list(definitions)},
    )  # fmt: skip
    made["nodes"][1]["inputs"].append({"name": "number", "type": "INT", "link": None, "widget": {"name": "number"}})
    return made


def inputs(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {id: call["inputs"] for id, call in to_prompt(made, REGISTRY).calls.items() if id != "1"}


OPENED = {"9": {"words": ["5:2", 0]}, "5:1": {"words": ["1", 0], "number": 1}, "5:2": {"words": ["5:1", 0], "number": 1}}


def test_opened() -> None:
    assert inputs(drawn()) == OPENED


def test_own_widget() -> None:
    assert inputs(drawn(values=[7]))["5:1"]["number"] == 7


def test_widget_of_an_inner_node() -> None:
    assert inputs(drawn(values=[8], proxyWidgets=[["2", "number"]]))["5:2"]["number"] == 8
    assert inputs(drawn(values=[], proxyWidgets=[["2", "number"]])) == OPENED


def test_muted_and_bypassed_as_one() -> None:
    assert inputs(drawn(mode=4)) == {"9": {"words": ["1", 0]}}
    assert inputs(drawn(mode=2)) == {}


def test_nested() -> None:
    outer = subgraph(
        "abc", node(3, "def", values=[6], outputs=[{"type": "WORDS"}]), inputs=("in",), outputs=("out",), wires=((-10, 0, 3, "in"), (3, 0, -20, "out"))
    )
    outer["nodes"][0]["inputs"].append({"name": "number", "type": "INT", "link": None, "widget": {"name": "number"}})
    made = inputs(drawn(definitions=(outer, INNER | {"id": "def"})))
    assert made == {"9": {"words": ["5:3:2", 0]}, "5:3:1": {"words": ["1", 0], "number": 6}, "5:3:2": {"words": ["5:3:1", 0], "number": 1}}


def test_straight_through() -> None:
    assert inputs(drawn(definitions=(subgraph("abc", inputs=("in",), outputs=("out",), wires=((-10, 0, -20, "out"),)),))) == {"9": {"words": ["1", 0]}}


def test_one_that_contains_itself_is_refused() -> None:
    with pytest.raises(ConcordError, match='node 5:1: subgraph "Sub abc" contains itself'):
        inputs(drawn(definitions=(subgraph("abc", node(1, "abc"), wires=()),)))
