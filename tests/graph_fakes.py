"""Small nodes, with ComfyUI's manners, for tests of the graph runner."""
from __future__ import annotations

from typing import Any, ClassVar

from concord.hosts.diffusers.graph.registry import Registry
from concord.nodes import _schema as io
from concord.processors.errors import ConcordError


class Make(io.ComfyNode):
    """Words from widgets of every kind."""

    calls: ClassVar[list[Any]] = []

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Make",
            display_name="Make Words",
            description="Makes words. Nothing else.",
            inputs=[
                io.String.Input("text", default="hello", multiline=True, dynamic_prompts=True, tooltip="What to say."),
                io.Int.Input("seed", default=0, min=0, max=100, control_after_generate=True),
                io.Float.Input("weight", default=1.0, min=0.0, max=2.0),
                io.Combo.Input("mood", options=["calm", "loud"]),
                io.Boolean.Input("twice", default=False, optional=True),
            ],
            outputs=[io.Custom("WORDS").Output("words"), io.Int.Output("count")],
        )

    @classmethod
    def execute(cls, text: str, seed: int, weight: float, mood: str, twice: bool = False) -> io.NodeOutput:
        cls.calls.append((text, seed, weight, mood, twice))
        return io.NodeOutput((text, seed, weight, mood, twice), len(text))


class Change(io.ComfyNode):
    """Words to words; a second input may stay open."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        words = io.Custom("WORDS")
        return io.Schema(
            node_id="Change",
            inputs=[words.Input("words"), words.Input("more", optional=True), io.Int.Input("number", default=1, min=0, max=9)],
            outputs=[words.Output("words")],
        )

    @classmethod
    def execute(cls, words: Any, number: int, more: Any = None) -> io.NodeOutput:
        return io.NodeOutput((words, number, more))


class Tell(io.ComfyNode):
    """An output node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="Tell", inputs=[io.Custom("WORDS").Input("words")], is_output_node=True)

    @classmethod
    def execute(cls, words: Any) -> io.NodeOutput:
        return io.NodeOutput(ui={"told": words, "id": cls.hidden.unique_id})


class Picky(io.ComfyNode):
    """Judges its own values, fails when asked to."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="Picky", inputs=[io.Int.Input("even", min=0, max=4), io.String.Input("fail", default="", optional=True)], is_output_node=True)

    @classmethod
    def validate_inputs(cls, even: int | None) -> bool | str:
        return True if even is None or even % 2 == 0 else f"{even} is odd"

    @classmethod
    async def execute(cls, even: int, fail: str = "") -> io.NodeOutput:
        if fail:
            raise {"mend": ConcordError, "crash": RuntimeError, "stop": KeyboardInterrupt}[fail]("a reason")
        return io.NodeOutput(ui={"even": even})


class Lists(io.ComfyNode):
    """Gives a list, which only ComfyUI handles."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="Lists", outputs=[io.Custom("WORDS").Output("words", is_output_list=True)])


REGISTRY = Registry([Make, Change, Tell, Picky, Lists])


def call(kind: str, title: str | None = None, **inputs: Any) -> dict[str, Any]:
    """An API-format node; `Make` gets values for all that is not said."""
    values = {"text": "hi", "seed": 1, "weight": 0.5, "mood": "calm"} | inputs if kind == "Make" else inputs
    return {"class_type": kind, "inputs": values} | ({"_meta": {"title": title}} if title else {})
