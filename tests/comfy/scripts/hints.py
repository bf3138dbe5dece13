"""The hint makers inside ComfyUI: every node runs, shows its hint, keeps sizes and values; networks go through the host's memory management."""
from __future__ import annotations

from pathlib import Path

import comfy.model_management
import folder_paths
import hostkit as kit
import torch
from concord.nodes import all_nodes
from concord.processors.errors import ConcordError

CATEGORY = "concord/preprocessors"


def picture() -> torch.Tensor:
    down, right = torch.meshgrid(torch.arange(65), torch.arange(97), indexing="ij")
    disc = ((down - 32) ** 2 + (right - 40) ** 2 < 400).float()
    return torch.stack([0.1 + 0.8 * disc, 0.9 - 0.7 * disc])[..., None].expand(-1, -1, -1, 3).contiguous()


def nodes() -> dict[str, type]:
    return {schema.node_id: node for node in all_nodes() if (schema := node.define_schema()).category == CATEGORY}


def defaults(node: type) -> dict:
    return {taken.id: taken.default for taken in node.define_schema().inputs if getattr(taken, "default", None) is not None}


def networks(models: str) -> dict[str, dict]:
    """Loads what the test saved in folders of `models`."""
    for folder in ("dexined", "depth"):
        place = Path(folder_paths.models_dir) / folder
        if not place.exists():
            place.symlink_to(Path(models) / folder, target_is_directory=True)
    folder_paths.filename_list_cache.clear()
    return {"Concord_SoftEdge": {"soft_edge_model": kit.run_node("Concord_LoadSoftEdge", model_name="net.pth")[0]},
            "Concord_Depth": {"depth_model": kit.run_node("Concord_LoadDepth", model_name="small")[0]}}


def run(models: str) -> dict:
    """Every node's hint of the same two pictures, checked; -> {node id: hint}."""
    image, linked, made = picture(), networks(models), {}
    for node_id, node in nodes().items():
        output = node.execute(**(defaults(node) | linked.get(node_id, {}) | {"image": image}))
        hint = output.args[0]
        assert hint.shape == image.shape and hint.min() >= 0 and hint.max() <= 1, node_id
        shown = output.ui.as_dict()["images"]
        files = [Path(folder_paths.get_temp_directory()) / picture["filename"] for picture in shown]
        assert len(files) == len(image) and all(file.is_file() for file in files), f"{node_id} shows {shown}"
        made[node_id] = hint
    return made


def listed(models: str) -> list:
    """What the loaders offer."""
    networks(models)
    return [node.define_schema().inputs[0].options for node in all_nodes() if node.define_schema().node_id in ("Concord_LoadSoftEdge", "Concord_LoadDepth")]


def managed(models: str) -> int:
    """The networks are among the host's loaded models while they are in use; -> how many of the two."""
    linked = networks(models)
    kept = [linked["Concord_SoftEdge"]["soft_edge_model"], linked["Concord_Depth"]["depth_model"].network]
    for node_id in linked:
        nodes()[node_id].execute(**(defaults(nodes()[node_id]) | linked[node_id] | {"image": picture()}))
    return sum(any(loaded.model is patcher for loaded in comfy.model_management.current_loaded_models) for patcher in kept)


def stopped(models: str) -> list[str]:
    """Hint makers with and without a network end when the stop button is pressed; -> those that did not."""
    linked, going_on = networks(models), []
    for node_id in ("Concord_Canny", "Concord_SoftEdge"):
        comfy.model_management.interrupt_current_processing(True)
        try:
            nodes()[node_id].execute(**(defaults(nodes()[node_id]) | linked.get(node_id, {}) | {"image": picture()}))
            going_on.append(node_id)
        except comfy.model_management.InterruptProcessingException:
            pass
        finally:
            comfy.model_management.interrupt_current_processing(False)
    return going_on


def refused(node: str, name: str) -> str:
    try:
        kit.run_node(node, model_name=name)
    except ConcordError as error:
        return str(error)
    return ""
