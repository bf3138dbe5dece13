"""Workflow files, start to end: what the command line does with one."""
from __future__ import annotations

import sys
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
) -> list[Path]:
    """Runs a workflow -> the pictures that it wrote. `tell` gets remarks; without it there is no progress either, which is for terminals only."""
    registry = default_registry(context)
    document, prompt = load(path, registry, settings, seed)
    if tell:
        for note in prompt.notes:
            tell(note)
    with Terminal() if tell and sys.stderr.isatty() else nullcontext() as watcher:
        shown = execute(prompt, registry, context, document.workflow, watcher)
    pictures = [picture for ui in shown.values() if isinstance(ui, dict) for picture in ui.get("images", ())]
    return [context.output / picture["subfolder"] / picture["filename"] for picture in pictures]


def check_file(path: Path, context: Context) -> tuple[list[str], list[str], int]:
    """-> problems, remarks, number of nodes that would run."""
    registry = default_registry(context)
    _, prompt = load(path, registry)
    with using(context):
        problems = check(prompt, registry)
    return problems, prompt.notes, len(needed(prompt, output_nodes(prompt, registry)))
