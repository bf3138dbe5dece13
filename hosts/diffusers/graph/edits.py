"""Changes to a prompt before it runs: single inputs, and all seeds at once."""
from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

from ....processors.errors import ConcordError
from .prompt import Prompt, named
from .registry import Registry

SEEDS = ("seed", "noise_seed")


def assign(prompt: Prompt, setting: str, registry: Registry) -> None:
    """`node.input=value`: the node by id, title or class (if only one has it), the value as JSON or, if it is none, as text."""
    address, equals, text = setting.partition("=")
    node, dot, name = address.rpartition(".")
    if not (equals and dot and node and name):
        raise ConcordError(f'--set "{setting}": node.input=value was expected, as in --set 3.steps=20 or --set KSampler.cfg=5')
    id = _address(prompt, node, setting)
    known = registry.get(prompt.calls[id]["class_type"])
    inputs = prompt.calls[id]["inputs"]
    names = list(known.inputs if known else inputs)
    if name not in names:
        raise ConcordError(f'--set "{setting}": {named(prompt.calls, id, registry)} has no input "{name}"; it has {", ".join(names) or "none"}')
    value = _value(text)
    inputs[name] = {"__value__": value} if isinstance(value, list) else value
    prompt.missing.pop((id, name), None)


def seed_all(prompt: Prompt, seed: int, registry: Registry) -> None:
    """Give every input named seed or noise_seed this value; linked ones keep their link."""
    changed = 0
    for call in prompt.calls.values():
        for name in SEEDS:
            known = registry.get(call["class_type"])
            if (name in call["inputs"] or (known and name in known.inputs)) and not isinstance(call["inputs"].get(name), list):
                call["inputs"][name] = seed
                changed += 1
    if not changed:
        prompt.notes.append("--seed changed nothing: no node has a seed of its own")


def _address(prompt: Prompt, node: str, setting: str) -> str:
    if node in prompt.calls:
        return node
    found = [id for id, call in prompt.calls.items() if node in ((call.get("_meta") or {}).get("title"), call["class_type"])]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConcordError(f'--set "{setting}": {len(found)} nodes are called "{node}"; name one by its id: {", ".join(found)}')
    names = {str(key) for id, call in prompt.calls.items() for key in (id, (call.get("_meta") or {}).get("title"), call["class_type"]) if key}
    close = get_close_matches(node, names, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"there are {', '.join(named(prompt.calls, id) for id in prompt.calls)}"
    raise ConcordError(f'--set "{setting}": no node has the id, title or class "{node}"; {hint}')


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
