"""UI format -> API format, as ComfyUI's frontend does when Run is pressed."""
from __future__ import annotations

import re
from typing import Any

from .drawing import BYPASSED, MUTED, Drawing, Node, flatten
from .prompt import Prompt, link_of, named
from .registry import NodeType, Registry
from .wires import VIRTUAL, Literal, Nothing, Wire, shown_values, source

CHOICE = re.compile(r"(?<!\\)\{[^{}]*\|[^{}]*\}")
AFTER_GENERATE = frozenset({"fixed", "increment", "decrement", "randomize"})


def to_prompt(workflow: dict[str, Any], registry: Registry) -> Prompt:
    """The calls of a drawn workflow. Muted nodes are left out, and with them every node that cannot do without one."""
    drawing = flatten(workflow)
    prompt = Prompt({})
    muted: dict[tuple[str, str], str] = {}
    for node in _ordered(drawing):
        prompt.calls[node.id] = {"class_type": node.type, "inputs": _values(node, registry.get(node.type))}
        if node.title:
            prompt.calls[node.id]["_meta"] = {"title": node.title}
        prompt.calls[node.id]["inputs"] |= {name: value for (inner, name), value in shown_values(drawing, node).items() if inner == "-1"}
        _wire(drawing, node, prompt, muted, registry)
        prompt.notes += _choices(prompt, node.id, registry)
    _drop(prompt, muted, registry)
    return prompt


def _ordered(drawing: Drawing) -> list[Node]:
    """Nodes that do work: none that only draw, switch, or hold others."""
    return [n for n in drawing.nodes.values() if n.type not in VIRTUAL and n.id not in drawing.subgraphs and drawing.mode(n) not in (MUTED, BYPASSED)]


def _wire(drawing: Drawing, node: Node, prompt: Prompt, muted: dict[tuple[str, str], str], registry: Registry) -> None:
    inputs = prompt.calls[node.id]["inputs"]
    for index, slot in enumerate(node.inputs):
        match source(drawing, node, index):
            case Wire(giver, number):
                inputs[slot.name] = [giver, number]
            case Literal(value):
                inputs[slot.name] = value
            case Nothing(why, broken=True):
                prompt.missing[node.id, slot.name] = why
                prompt.problems.append(f'{named(prompt.calls, node.id, registry)}: input "{slot.name}" is missing: {why}')
            case Nothing(why) as nothing if slot.name not in inputs:  # a widget keeps its own value
                prompt.missing[node.id, slot.name] = why
                if nothing.muted:
                    muted[node.id, slot.name] = why
            case _:
                pass


def _drop(prompt: Prompt, muted: dict[tuple[str, str], str], registry: Registry) -> None:
    """Take out what needs a muted node, then what needs that, and so on."""
    while muted:
        gone = {}
        for (id, name), why in muted.items():
            known = registry.get(prompt.calls[id]["class_type"])
            if id not in gone and not (known and name in known.inputs and known.inputs[name].optional):
                gone[id] = f'{named(prompt.calls, id, registry)} is left out: {why}, and its input "{name}" cannot do without'
        prompt.notes += gone.values()
        muted = {}
        names = {id: named(prompt.calls, id, registry) for id in gone}
        for id in gone:
            del prompt.calls[id]
        for id, call in prompt.calls.items():
            for name, value in list(call["inputs"].items()):
                if (link := link_of(value)) and link[0] in gone:
                    del call["inputs"][name]
                    muted[id, name] = prompt.missing[id, name] = f"{names[link[0]]} is left out"


def _values(node: Node, known: NodeType | None) -> dict[str, Any]:
    """Widget values by name. Files list them by position, with one more after every seed and every upload, which belongs to the interface."""
    if known is None:
        return {}
    if isinstance(node.values, dict):
        return {w.id: node.values.get(w.id, first_value(w)) for w in known.widgets}
    values = list(node.values or [])
    found: dict[str, Any] = {}
    for widget in known.widgets:
        if not values:
            if (default := first_value(widget)) is not None:  # the file is older than this input
                found[widget.id] = default
            continue
        value = values.pop(0)
        found[widget.id] = {"__value__": value} if isinstance(value, list) else value
        if values and _belongs_to_interface(widget, values[0]):
            values.pop(0)
    return found


def _choices(prompt: Prompt, id: str, registry: Registry) -> list[str]:
    """Remarks on texts such as "a {red|blue} cat", in which ComfyUI's frontend would choose at random."""
    known = registry.get(prompt.calls[id]["class_type"])
    texts = {w.id: prompt.calls[id]["inputs"].get(w.id) for w in known.widgets if getattr(w, "dynamic_prompts", None)} if known else {}
    return [
        f'{named(prompt.calls, id, registry)}: input "{name}": {found[0]} stays as written; ComfyUI would choose one of them at random'
        for name, text in texts.items()
        if isinstance(text, str) and (found := CHOICE.search(text))
    ]


def first_value(widget: Any) -> Any:
    """What a widget shows when its node is new."""
    return widget.options[0] if widget.default is None and getattr(widget, "options", None) else widget.default


def _belongs_to_interface(widget: Any, value: Any) -> bool:
    if widget.io_type == "INT" or getattr(widget, "control_after_generate", None):
        return isinstance(value, str) and value in AFTER_GENERATE
    return bool(getattr(widget, "upload", None)) and value == "image"
