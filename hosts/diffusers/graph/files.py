"""Workflow files: which kind a file is shows in its content, never in its name."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....processors.errors import ConcordError

KINDS = "a workflow (JSON in API or UI format), or a PNG that carries one, was expected"


@dataclass(frozen=True)
class Document:
    """What a file holds: `prompt` is its API format {id: {"class_type", "inputs"}}, `workflow` its UI format; a PNG may have both."""

    path: Path
    prompt: dict[str, Any] | None = None
    workflow: dict[str, Any] | None = None


def read(path: Path) -> Document:
    """The workflow in a file; a PNG's prompt is what was really run, so it comes first where both are there."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConcordError(f"{path}: {error.strerror or error}; {KINDS}") from error
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _from_png(path)
    try:
        graph = json.loads(data)
    except ValueError as error:
        raise ConcordError(f"{path}: not readable as JSON ({error}); {KINDS}") from error
    return _from_json(path, graph)


def _from_json(path: Path, graph: Any) -> Document:
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        return Document(path, workflow=graph)
    if isinstance(graph, dict) and isinstance(graph.get("prompt"), dict):  # the body of a POST to /prompt
        graph = graph["prompt"]
    if isinstance(graph, dict) and graph and all(isinstance(node, dict) and "class_type" in node for node in graph.values()):
        return Document(path, prompt={str(id): _call(path, id, node) for id, node in graph.items()})
    found = f"an object with {', '.join(map(repr, list(graph)[:4])) or 'nothing in it'}" if isinstance(graph, dict) else type(graph).__name__
    raise ConcordError(f"{path}: JSON, but no workflow: found {found}; {KINDS}")


def _call(path: Path, id: str, node: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(node["class_type"], str) or not isinstance(node.get("inputs", {}), dict):
        raise ConcordError(f'{path}: node {id}: "class_type" must be a string and "inputs" an object')
    return {**node, "inputs": dict(node.get("inputs", {}))}


def _from_png(path: Path) -> Document:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()  # text chunks may follow the pixels
            chunks = {name: image.info[name] for name in ("prompt", "workflow") if isinstance(image.info.get(name), str)}
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise ConcordError(f"{path}: a broken PNG ({error}); {KINDS}") from error
    if not chunks:
        raise ConcordError(f"{path}: a PNG without a workflow (no text chunk `prompt` or `workflow`); {KINDS}")
    parsed: dict[str, Any] = {}
    for name, text in chunks.items():
        try:
            parsed[name] = json.loads(text)
        except ValueError as error:
            raise ConcordError(f"{path}: its `{name}` is not readable as JSON ({error})") from error
    prompt = _from_json(path, parsed["prompt"]).prompt if parsed.get("prompt") else None
    workflow = _from_json(path, parsed["workflow"]).workflow if parsed.get("workflow") else None
    return Document(path, prompt, workflow)
