"""From a file to a prompt: read, converted if drawn, changed as asked."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .convert import to_prompt
from .edits import assign, seed_all
from .files import Document, read
from .prompt import Prompt
from .registry import Registry


def load(path: Path, registry: Registry, settings: Sequence[str] = (), seed: int | None = None) -> tuple[Document, Prompt]:
    """The workflow of a file in API form; `settings` are `node.input=value`, and win over `seed`."""
    document = read(path)
    prompt = Prompt(document.prompt) if document.prompt is not None else to_prompt(document.workflow or {}, registry)
    if seed is not None:
        seed_all(prompt, seed, registry)
    for setting in settings:
        assign(prompt, setting, registry)
    return document, prompt
