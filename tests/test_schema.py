"""The schema stand-in, leniency towards older hosts, discovery, and what importing the package loads."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any

import pytest
from concord.hosts.diffusers.graph.registry import core_nodes
from concord.nodes import _schema, all_nodes
from concord.nodes._api import PortableIO

ALL = {node.define_schema().node_id: node for node in [*core_nodes(), *all_nodes()]}


def old_host() -> PortableIO:
    """An `io` that knows less than ours."""

    @dataclass
    class Schema:
        node_id: str
        inputs: Any = ()

    class Float:
        io_type = "FLOAT"

        class Input:
            def __init__(self, id: str, default: float | None = None) -> None:
                self.id, self.default = id, default

        class Output:
            def __init__(self, id: str | None = None) -> None:
                self.id = id

    return PortableIO(SimpleNamespace(Schema=Schema, Float=Float, Custom=lambda name: Float, ComfyNode=int, Hidden=_schema.Hidden))


def test_unknown_arguments_are_left_out_for_old_hosts() -> None:
    io = old_host()
    schema = io.Schema(node_id="x", inputs=[io.Float.Input("a", default=2.0, tooltip="new")], search_aliases=["new"])
    assert [f.name for f in fields(schema)] == ["node_id", "inputs"] and schema.inputs[0].default == 2.0
    assert io.Custom("Q").Output("q", tooltip="new").id == "q" and io.Float.io_type == "FLOAT"
    assert io.ComfyNode is int and io.Hidden.prompt == "PROMPT"
    with pytest.raises(AttributeError):
        _ = io.Boolean


def test_the_stand_in_is_strict() -> None:
    with pytest.raises(TypeError):
        _schema.Float.Input("a", tootip="typing error")
    with pytest.raises(TypeError):
        _schema.Image.Input("a", min=0)


@pytest.mark.parametrize("id", ALL)
def test_every_schema_is_sound(id: str) -> None:
    schema = ALL[id].define_schema()
    names = [i.id for i in schema.inputs]
    assert len(names) == len(set(names))
    for taken in schema.inputs:
        if taken.io_type in ("INT", "FLOAT") and taken.default is not None and None not in (taken.min, taken.max):
            assert taken.min <= taken.default <= taken.max, taken.id
        if taken.io_type == "COMBO" and taken.default is not None:
            assert taken.default in taken.options, taken.id
    assert schema.outputs or schema.is_output_node


@pytest.mark.parametrize("node", all_nodes(), ids=lambda node: node.__name__)
def test_our_nodes_say_what_they_do(node: Any) -> None:
    schema = node.define_schema()
    assert schema.node_id.startswith("Concord_") and schema.display_name and schema.category.startswith("concord/") and schema.description
    assert [i.id for i in schema.inputs if not i.tooltip] == []


def test_ids_are_unique() -> None:
    assert len(ALL) == len([*core_nodes(), *all_nodes()])


def test_comfyui_finds_the_nodes() -> None:
    import concord

    assert concord.WEB_DIRECTORY == "./web" and not hasattr(concord, "NODE_CLASS_MAPPINGS")  # ComfyUI would take only the mappings

    async def listed() -> list[Any]:
        return await (await concord.comfy_entrypoint()).get_node_list()

    assert asyncio.run(listed()) == all_nodes()


def test_importing_is_light(python: Any) -> None:
    done = python("import concord, concord.cli; print(sorted({'torch', 'diffusers', 'numpy', 'PIL', 'comfy_api'} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr


def test_listing_nodes_needs_no_host(python: Any) -> None:
    done = python("from concord.nodes import all_nodes; [n.define_schema() for n in all_nodes()]; print('diffusers' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr
