"""The host's own loaders and image nodes, by id."""
import inspect
import sys
from pathlib import Path

import nodes

OWN = str(Path(nodes.__file__).parent / "comfy")
sys.path[:] = [path for path in sys.path if path != OWN]    # older hosts put it first, where its utils.py hides the host's package utils

import comfy_extras.nodes_clip_sdxl as sdxl  # noqa: E402
import comfy_extras.nodes_images as images  # noqa: E402
import comfy_extras.nodes_mask as masks  # noqa: E402
import comfy_extras.nodes_post_processing as post  # noqa: E402


def node(node_id: str):
    return nodes.NODE_CLASS_MAPPINGS.get(node_id) or next(getattr(module, node_id) for module in (images, masks, post, sdxl) if hasattr(module, node_id))


def run(node_id: str, inputs: list) -> list:
    """-> the first output for each set of inputs; inputs that an older host does not have are left out."""
    found = node(node_id)
    call = found.execute if hasattr(found, "define_schema") else getattr(found(), found.FUNCTION)
    known = inspect.signature(call).parameters
    outputs = [call(**{name: value for name, value in values.items() if name in known}) for values in inputs]
    return [output.args[0] if hasattr(output, "args") else output[0] for output in outputs]


def schema(node_id: str) -> dict:
    """-> {inputs: {name: [type, default, min, max, step]} in order, outputs: types}"""
    found = node(node_id)
    both = found.INPUT_TYPES()
    inputs = {name: ["COMBO" if isinstance(spec[0], list) else spec[0], *((spec[1:] or [{}])[0].get(key) for key in ("default", "min", "max", "step"))]
              for part in ("required", "optional") for name, spec in both.get(part, {}).items()}
    return {"inputs": inputs, "outputs": list(found.RETURN_TYPES)}
