"""Runs a checked prompt: every needed node once, givers first, results dropped as soon as nothing needs them."""
from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Protocol

from ....nodes._schema import HiddenHolder
from ....processors.errors import ConcordError
from .check import check, givers, needed, output_nodes
from .context import Context, using
from .prompt import Call, Prompt, link_of, named
from .registry import NodeType, Registry
from .values import unwrapped


class Watcher(Protocol):
    """Told how far a run is."""

    def node(self, number: int, total: int, title: str) -> None: ...

    def step(self, value: int, total: int, label: str) -> None: ...


@dataclass
class _Run:
    """Memory of one run: results by digest (equal calls share one), and how many calls still need each."""

    prompt: Prompt
    registry: Registry
    hidden: HiddenHolder
    digests: dict[str, str] = field(default_factory=dict)
    results: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    takers: Counter[str] = field(default_factory=Counter)


def execute(prompt: Prompt, registry: Registry, context: Context, workflow: dict[str, Any] | None = None, watcher: Watcher | None = None) -> dict[str, Any]:
    """What the nodes show, by node id (`{"images": [{"filename", "subfolder", "type"}]}` for those that wrote pictures).

    ConcordError names the node in which it happened. `workflow` is the UI format that goes into pictures beside the prompt.
    """
    if watcher is not None:
        context = replace(context, progress=watcher.step)
    with using(context):
        if problems := check(prompt, registry):
            raise ConcordError("\n".join(problems))
        outputs = output_nodes(prompt, registry)
        order = needed(prompt, outputs)
        run = _Run(prompt, registry, HiddenHolder(None, prompt.calls, {"workflow": workflow} if workflow else None))
        for id in order:
            run.digests[id] = _digest(run, id)
        run.takers.update(run.digests[giver] for id in order for giver in givers(prompt, id))
        shown: dict[str, Any] = {}
        for number, id in enumerate(order, 1):
            if watcher is not None:
                watcher.node(number, len(order), (prompt.calls[id].get("_meta") or {}).get("title") or prompt.calls[id]["class_type"])
            ui = _result(run, id)
            if ui is not None and id in outputs:
                shown[id] = ui
        return shown


def _result(run: _Run, id: str) -> Any:
    """Run a node unless an equal one has run; -> what it shows."""
    digest, ui = run.digests[id], None
    if digest not in run.results:
        run.results[digest], ui = _call(run, id)
    for giver in givers(run.prompt, id):
        run.takers[run.digests[giver]] -= 1
    for done in [run.digests[g] for g in givers(run.prompt, id)] + [digest]:
        if run.takers[done] <= 0:
            run.results.pop(done, None)
    return ui


def _call(run: _Run, id: str) -> tuple[tuple[Any, ...], Any]:
    known = _known(run, run.prompt.calls[id])
    name = named(run.prompt.calls, id, run.registry)
    node = type(known.cls.__name__, (known.cls,), {"hidden": replace(run.hidden, unique_id=id)})
    try:
        made = node.execute(**_arguments(run, id, known))
        if inspect.iscoroutine(made):
            made = asyncio.run(made)
    except ConcordError as error:
        raise ConcordError(f"{name}: {error}") from error
    except Exception as error:  # any node may fail in any way; what the user needs is which one did
        raise ConcordError(f"{name}: {type(error).__name__}: {str(error).strip() or 'without a message'}") from error
    values = made if isinstance(made, tuple) else (made.result or ())
    if len(values) < len(known.outputs) and known.outputs:
        raise ConcordError(f"{name}: gave {len(values)} values for {len(known.outputs)} outputs")
    return values, None if isinstance(made, tuple) else made.ui


def _arguments(run: _Run, id: str, known: NodeType) -> dict[str, Any]:
    inputs = run.prompt.calls[id]["inputs"]
    found = {}
    for name in known.inputs:
        if name in inputs:
            link = link_of(inputs[name])
            found[name] = run.results[run.digests[link[0]]][link[1]] if link else unwrapped(inputs[name])
    return found


def _digest(run: _Run, id: str) -> str:
    """Equal for calls that must give the same: same class, values and givers. Output nodes always run."""
    call = run.prompt.calls[id]
    known = _known(run, call)
    if known.schema.is_output_node or known.schema.not_idempotent:
        return id
    inputs: dict[str, Any] = {}
    for name, value in call["inputs"].items():
        link = link_of(value)
        inputs[name] = {"from": [run.digests[link[0]], link[1]]} if link else value
    content = [call["class_type"], inputs]
    return sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


def _known(run: _Run, call: Call) -> NodeType:
    known = run.registry.get(call["class_type"])
    if known is None:
        raise ConcordError(f"unknown node {call['class_type']}")
    return known
