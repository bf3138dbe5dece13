"""Running: order, sharing, what nodes get, and errors that name their node."""
from __future__ import annotations

from typing import Any

import pytest
from concord.hosts.diffusers.graph.context import Context, current
from concord.hosts.diffusers.graph.execute import execute
from concord.hosts.diffusers.graph.prompt import Prompt
from concord.hosts.diffusers.graph.registry import Registry
from concord.nodes import _schema as io
from concord.processors.errors import ConcordError
from concord.tests.graph_fakes import REGISTRY, Make, call


def told(**calls: Any) -> dict[str, Any]:
    return {id: ui["told"] for id, ui in execute(Prompt(calls), REGISTRY, Context()).items()}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    monkeypatch.setattr(Make, "calls", calls)
    return calls


def test_values_flow(made: list[Any]) -> None:
    words = ("hi", 1, 0.5, "calm", False)
    graph = {"m": call("Make"), "c": call("Change", words=["m", 0], number=["m", 1]), "t": call("Tell", words=["c", 0])}
    assert told(**graph) == {"t": (words, 2, None)}
    assert told(**graph | {"c": call("Change", words=["m", 0], more=["m", 0], number=3)}) == {"t": (words, 3, words)}
    assert told(**graph | {"unused": call("Make", text="other")}) == {"t": (words, 2, None)}
    assert [text for text, *_ in made] == ["hi"] * 3


def test_equal_calls_run_once(made: list[Any]) -> None:
    told(
        a=call("Make"),
        b=call("Make"),
        c=call("Make", seed=2),
        ta=call("Tell", words=["a", 0]),
        tb=call("Tell", words=["b", 0]),
        tc=call("Tell", words=["c", 0]),
    )
    assert len(made) == 2


def test_shared_results_live_as_long_as_needed() -> None:
    calls = {"m": call("Make"), "c": call("Change", words=["m", 0], number=1), "d": call("Change", words=["c", 0], more=["m", 0], number=2)}
    words = ("hi", 1, 0.5, "calm", False)
    assert told(**calls, t=call("Tell", words=["d", 0]), u=call("Tell", words=["m", 0])) == {"t": ((words, 1, None), 2, words), "u": words}


def test_results_are_dropped_when_nothing_needs_them() -> None:
    import weakref

    alive: list[weakref.ref] = []
    counts: list[int] = []

    class Thing:
        """Something large."""

    class Hold(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema("Hold", inputs=[io.AnyType.Input("thing", optional=True)], outputs=[io.AnyType.Output()])

        @classmethod
        def execute(cls, thing: Any = None) -> io.NodeOutput:
            counts.append(sum(ref() is not None for ref in alive))
            alive.append(weakref.ref(new := Thing()))
            return io.NodeOutput(new)

    class End(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema("End", inputs=[io.AnyType.Input("thing")], is_output_node=True)

        @classmethod
        def execute(cls, thing: Any) -> io.NodeOutput:
            return io.NodeOutput()

    chain = {"0": call("Hold")} | {str(i): call("Hold", thing=[str(i - 1), 0]) for i in range(1, 6)} | {"end": call("End", thing=["5", 0])}
    execute(Prompt(chain), Registry([Hold, End]), Context())
    assert counts == [0, 1, 1, 1, 1, 1] and alive[-1]() is None


def test_async_nodes_and_hidden_values() -> None:
    assert execute(Prompt({"p": call("Picky", even=2)}), REGISTRY, Context()) == {"p": {"even": 2}}
    shown = execute(Prompt({"m": call("Make"), "t": call("Tell", words=["m", 0])}), REGISTRY, Context())
    assert shown["t"]["id"] == "t"


@pytest.mark.parametrize(("fail", "line"), [("mend", "node 5 (Picky 'Mine'): a reason"), ("crash", "node 5 (Picky 'Mine'): RuntimeError: a reason")])
def test_errors_name_their_node(fail: str, line: str) -> None:
    with pytest.raises(ConcordError) as caught:
        execute(Prompt({"5": call("Picky", "Mine", even=2, fail=fail)}), REGISTRY, Context())
    assert str(caught.value) == line


def test_interruption_passes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        execute(Prompt({"5": call("Picky", even=2, fail="stop")}), REGISTRY, Context())
    assert current() == Context()


def test_nothing_runs_when_something_is_wrong(made: list[Any]) -> None:
    with pytest.raises(ConcordError, match="got 101"):
        told(m=call("Make"), t=call("Tell", words=["m", 0]), n=call("Make", seed=101), u=call("Tell", words=["n", 0]))
    assert made == []


def test_progress_is_told() -> None:
    class Steps(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema("Steps", is_output_node=True)

        @classmethod
        def execute(cls) -> io.NodeOutput:
            current().step(1, 2, "half")
            return io.NodeOutput()

    class Watch:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def node(self, *told: Any) -> None:
            self.seen.append(told)

        step = node

    watch = Watch()
    execute(Prompt({"s": call("Steps", "Two steps")}), Registry([Steps]), Context(), watcher=watch)
    assert watch.seen == [(1, 1, "Two steps"), (1, 2, "half")]
