"""Workflow files, start to end: what the command line does with one."""
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from .check import check, needed, output_nodes
from .context import Context, using
from .execute import execute
from .load import load
from .progress import Terminal
from .registry import default_registry


def run_file(
    path: Path, context: Context, settings: Sequence[str] = (), seed: int | None = None, tell: Callable[[str], None] | None = None
) -> dict[str, list[Path]]:
    """Runs a workflow -> the pictures that each output node wrote, by the node's title (and id, where titles are equal).

    `tell` gets remarks; without it there is no progress either, which is for terminals only.
    """
    registry = default_registry(context)
    document, prompt = load(path, registry, settings, seed)
    if tell:
        for note in prompt.notes:
            tell(note)
    with Terminal() if tell and sys.stderr.isatty() else nullcontext() as watcher:
        drawn = None if settings or seed is not None else document.workflow  # its widgets would show other values than were run
        shown = execute(prompt, registry, context, drawn, watcher)
    titles = {id: (prompt.calls[id].get("_meta") or {}).get("title") or prompt.calls[id]["class_type"] for id in shown}
    several = Counter(titles.values())
    return {
        titles[id] if several[titles[id]] == 1 else f"{titles[id]} ({id})": [context.output / p["subfolder"] / p["filename"] for p in ui["images"]]
        for id, ui in shown.items()
        if isinstance(ui, dict) and ui.get("images")
    }


def check_file(path: Path, context: Context) -> tuple[list[str], list[str], int]:
    """-> problems, remarks, number of nodes that would run."""
    registry = default_registry(context)
    _, prompt = load(path, registry)
    with using(context):
        problems = check(prompt, registry)
    return problems, prompt.notes, len(needed(prompt, output_nodes(prompt, registry)))
