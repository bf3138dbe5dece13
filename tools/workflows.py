"""The shipped workflows, one function each. `python -m concord.tools.workflows` writes them all: workflows/<name>.json and workflows/api/<name>.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..hosts.diffusers.graph.context import Context
from ..hosts.diffusers.graph.registry import Registry, default_registry
from . import (
    editing_real_workflows,
    editing_workflows,
    guided_real_workflows,
    guided_workflows,
    practice_workflows,
    real_workflows,
    space_real_workflows,
    space_workflows,
)
from .drawing import draw
from .graph import Graph

FOLDER = Path(__file__).parents[1] / "workflows"
BUILDERS: tuple[Callable[[str, Registry], Graph], ...] = (
    *practice_workflows.ALL,
    *guided_workflows.ALL,
    *editing_workflows.ALL,
    *space_workflows.ALL,
    *real_workflows.ALL,
    *guided_real_workflows.ALL,
    *editing_real_workflows.ALL,
    *space_real_workflows.ALL,
)


def build_all(registry: Registry | None = None) -> dict[str, Graph]:
    """Every shipped graph by its name, which is its builder's, with dashes."""
    registry = registry or default_registry(Context(models=Path("no models"), input=Path("no input")))
    names = [build.__name__.replace("_", "-") for build in BUILDERS]
    return {name: build(name, registry) for name, build in zip(names, BUILDERS, strict=True)}


def files(graphs: dict[str, Graph]) -> dict[Path, str]:
    """What stands in each file."""
    drawn = {FOLDER / f"{name}.json": draw(graph) for name, graph in graphs.items()}
    calls = {FOLDER / "api" / f"{name}.json": graph.api() for name, graph in graphs.items()}
    return {path: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for path, content in (drawn | calls).items()}


def main() -> None:
    for path, text in files(build_all()).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
