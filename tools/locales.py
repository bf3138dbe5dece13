"""The texts of our nodes as ComfyUI's interface reads them. `python -m concord.tools.locales` writes locales/en from the schemas.

Other languages are written by hand in the same form; a test compares their keys with these.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..nodes import all_nodes
from .drawing import has_control

FOLDER = Path(__file__).parents[1] / "locales"
OWN_TYPES = {"CONCORD_ADAPTER": "image adapter", "CONCORD_BANK": "bank", "CONCORD_DEPTH": "depth model", "CONCORD_MAPS": "attention maps",
             "CONCORD_REGIONS": "regions", "CONCORD_SOFT_EDGE": "soft edge model"}


def node_texts() -> dict[str, Any]:
    """Every text of every node: {id: {display_name, description, inputs: {id: {name, tooltip}}, outputs: {number: ...}}}."""
    return {schema.node_id: _node(schema) for schema in sorted((node.define_schema() for node in all_nodes()), key=lambda s: s.node_id)}


def _node(schema: Any) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    for taken in schema.inputs:
        inputs[taken.id] = {"name": taken.display_name or taken.id, "tooltip": taken.tooltip}
        if has_control(taken):
            inputs["control_after_generate"] = {"name": "control after generate", "tooltip": "What becomes of the number above after each run."}
    outputs = {str(number): {"name": given.display_name, "tooltip": given.tooltip} for number, given in enumerate(schema.outputs)}
    return {"display_name": schema.display_name, "description": schema.description, "inputs": inputs, "outputs": outputs}


def main_texts() -> dict[str, Any]:
    """What is not of one node: the folders of the node menu, and the names of our own sockets."""
    names = sorted({name for node in all_nodes() for name in node.define_schema().category.split("/")})
    return {"nodeCategories": {name: name for name in names}, "dataTypes": OWN_TYPES}


def files() -> dict[Path, str]:
    """What stands in each file of locales/en."""
    texts = {"main.json": main_texts(), "nodeDefs.json": node_texts()}
    return {FOLDER / "en" / name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in texts.items()}


def main() -> None:
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
