"""Finds everything that is wrong with a prompt before anything runs: one line per problem."""
from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any

from ....processors.errors import ConcordError
from .prompt import Prompt, link_of, named
from .registry import NodeType, Registry, is_widget
from .values import fitting, unwrapped, wanted
from .wires import joinable


def check(prompt: Prompt, registry: Registry) -> list[str]:
    """Problems, empty if the prompt can run. Values of the calls are converted to their inputs' types on the way, as ComfyUI does.

    Only nodes that an output node needs are looked into; the others would not run.
    """
    unknown = [_unknown(prompt, id, registry) for id, call in prompt.calls.items() if registry.get(call["class_type"]) is None and _linked(prompt, id)]
    outputs = output_nodes(prompt, registry)
    lines = [*prompt.problems, *unknown]
    if not outputs and not unknown:
        lines.append(_no_output(prompt, registry))
    lines += _cycles(prompt, outputs, registry)
    for id in needed(prompt, outputs):
        known = registry.get(prompt.calls[id]["class_type"])
        if known is not None:
            lines += [f"{named(prompt.calls, id, registry)}: {why}" for why in _node(prompt, id, known, registry)]
    return list(dict.fromkeys(lines))


def output_nodes(prompt: Prompt, registry: Registry) -> list[str]:
    """Nodes that make a run worth while, in the order of the file."""
    return [id for id, call in prompt.calls.items() if (known := registry.get(call["class_type"])) and known.schema.is_output_node]


def givers(prompt: Prompt, id: str) -> list[str]:
    """Nodes that a node takes something from, in the order of its inputs; dead links are left out."""
    return [link[0] for value in prompt.calls[id]["inputs"].values() if (link := link_of(value)) and link[0] in prompt.calls]


def needed(prompt: Prompt, outputs: list[str]) -> list[str]:
    """All nodes that the outputs depend on, givers first; in a cycle the order is arbitrary. Iterative: graphs may be deep."""
    order: dict[str, None] = {}
    seen: set[str] = set()
    for output in outputs:
        stack = [(output, iter(givers(prompt, output)))] if output not in seen else []
        seen.add(output)
        while stack:
            id, rest = stack[-1]
            giver = next((g for g in rest if g not in seen), None)
            if giver is None:
                order[id] = None
                stack.pop()
            else:
                seen.add(giver)
                stack.append((giver, iter(givers(prompt, giver))))
    return list(order)


def _cycles(prompt: Prompt, outputs: list[str], registry: Registry) -> Iterator[str]:
    """Takes away nodes whose givers are all taken away; what stays is a cycle or hangs on one."""
    order = needed(prompt, outputs)
    left = {id: set(givers(prompt, id)) for id in order}
    takers: dict[str, list[str]] = {id: [] for id in order}
    for id, wants in left.items():
        for giver in wants:
            takers[giver].append(id)
    ready = [id for id, wants in left.items() if not wants]
    while ready:
        id = ready.pop()
        del left[id]
        for taker in takers[id]:
            left[taker].discard(id)
            if not left[taker]:
                ready.append(taker)
    while left:
        id, path = next(iter(left)), []
        while id not in path:
            path.append(id)
            id = next(g for g in givers(prompt, id) if g in left)
        circle = [*path[path.index(id) :], id][::-1]
        yield f"nodes feed themselves: {' -> '.join(named(prompt.calls, i, registry) for i in circle)}; take one of these links away"
        left = {i: w for i, w in left.items() if i not in circle and not _leads_to(prompt, i, circle)}


def _leads_to(prompt: Prompt, id: str, circle: list[str]) -> bool:
    return bool(set(needed(prompt, [id])) & set(circle))


def _node(prompt: Prompt, id: str, known: NodeType, registry: Registry) -> Iterator[str]:
    inputs = prompt.calls[id]["inputs"]
    own = own_checks(known)
    sound = True
    for name, taken in known.inputs.items():
        if name not in inputs:
            if not taken.optional:
                sound = False
                yield f'input "{name}" is missing: {prompt.missing.get((id, name), f"it takes {wanted(taken)}")}'
            continue
        try:
            if isinstance(inputs[name], list):
                _link(prompt, name, taken, inputs[name], registry)
            elif is_widget(taken):
                inputs[name] = _rewrapped(fitting(taken, inputs[name], own_check=own is None or name in own))
            else:
                raise ConcordError(f"got {unwrapped(inputs[name])!r}; fits: {wanted(taken)}")
        except ConcordError as error:
            sound = False
            yield f'input "{name}": {error}'
    if sound and own != frozenset():
        yield from _asked(prompt, id, known, own)
    if known.schema.is_input_list or any(output.is_output_list for output in known.outputs):
        yield "it works on lists of values, which only ComfyUI can run"


def _rewrapped(value: Any) -> Any:
    return {"__value__": value} if isinstance(value, list) else value


def _link(prompt: Prompt, name: str, taken: Any, value: list[Any], registry: Registry) -> None:
    link = link_of(value)
    if link is None:
        raise ConcordError(f"got {value!r}; a link is [node id, output number]")
    giver, slot = link
    if giver not in prompt.calls:
        raise ConcordError(f"linked to node {giver}, which is not there; fits: {wanted(taken)}")
    kind = registry.get(prompt.calls[giver]["class_type"])
    if kind is None:
        return  # told once, as an unknown node
    if not 0 <= slot < len(kind.outputs):
        offered = ", ".join(f"{i} {o.display_name or o.io_type}" for i, o in enumerate(kind.outputs)) or "none"
        raise ConcordError(f"linked to output {slot} of {named(prompt.calls, giver, registry)}, which has these outputs: {offered}")
    if not joinable(kind.outputs[slot].io_type, taken.io_type):
        fits = [f"{i} {o.display_name or o.io_type}" for i, o in enumerate(kind.outputs) if joinable(o.io_type, taken.io_type)]
        hint = f"; its output {fits[0]} would fit" if fits else ""
        raise ConcordError(f"got {kind.outputs[slot].io_type} from {named(prompt.calls, giver, registry)}; fits: {taken.io_type}{hint}")


def own_checks(known: NodeType) -> frozenset[str] | None:
    """Inputs that the node's own `validate_inputs` judges; None: all of them."""
    ask = getattr(known.cls, "validate_inputs", None)
    if ask is None:
        return frozenset()
    parameters = signature(ask).parameters.values()
    return None if any(p.kind is p.VAR_KEYWORD for p in parameters) else frozenset(p.name for p in parameters)


def _asked(prompt: Prompt, id: str, known: NodeType, own: frozenset[str] | None) -> Iterator[str]:
    """What the node itself says about its values; linked inputs are not known yet and come as None."""
    inputs = {name: None if isinstance(v, list) else unwrapped(v) for name, v in prompt.calls[id]["inputs"].items() if name in known.inputs}
    answer = known.cls.validate_inputs(**{name: value for name, value in inputs.items() if own is None or name in own})
    if answer is not True:
        yield str(answer or f"refused {inputs}")


def _linked(prompt: Prompt, id: str) -> bool:
    return bool(givers(prompt, id)) or any(id in givers(prompt, other) for other in prompt.calls) or len(prompt.calls) == 1


def _unknown(prompt: Prompt, id: str, registry: Registry) -> str:
    close = registry.closest(prompt.calls[id]["class_type"])
    hint = f"did you mean {' or '.join(close)}?" if close else "`concord nodes` lists all"
    return f"{named(prompt.calls, id)}: unknown node; {hint}"


def _no_output(prompt: Prompt, registry: Registry) -> str:
    outputs = ", ".join(sorted(t.id for t in registry.types.values() if t.schema.is_output_node))
    return f"no output node among the {len(prompt.calls)} active nodes, so there is nothing to run; one of these is needed: {outputs}"
