"""The Regions node between the host's own nodes: its sockets fit theirs, its boxes are theirs, its background is not shown a second time."""
from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import folder_paths
import torch
from comfy_execution.validation import validate_node_input
from concord.nodes.regions import Regions

TEXT = '[{"box": [0.25, 0, 0.75, 0.5], "words": "sun"}]'


def check_sockets_fit_the_hosts():
    info = Regions.GET_NODE_INFO_V1()
    takes = info["input"]["optional"]["boxes"][0]
    for given in ("BOUNDING_BOX", "BOUNDING_BOXES"):
        assert validate_node_input(given, takes), f"{takes} does not take {given}"
    assert not validate_node_input("IMAGE", takes)
    assert info["output"] == ["CONCORD_REGIONS", "BOUNDING_BOX", "MASK"]
    assert info["input"]["required"]["regions"][0] == "STRING"


def check_the_background_is_a_file_of_the_editor_alone():
    shown = Regions.execute(TEXT, 64, 32, image=torch.rand(2, 8, 8, 3)).ui.as_dict()
    assert list(shown) == ["background"] and len(shown["background"]) == 1
    assert (Path(folder_paths.get_temp_directory()) / shown["background"][0]["filename"]).is_file()


def check_boxes_come_from_the_hosts_editor_and_go_back():
    if find_spec("comfy_extras.nodes_bounding_boxes") is None:
        return  # a host without boxes
    from comfy_extras.nodes_bounding_boxes import CreateBoundingBoxes, boxes_from_input

    drawn = [{"x": 16, "y": 8, "width": 32, "height": 16, "metadata": {"type": "obj", "text": "", "desc": "sun", "palette": []}}]
    boxes = CreateBoundingBoxes.execute(64, 32, editor_state=drawn).args[1]
    regions, ours, _ = Regions.execute("", 64, 32, boxes=boxes, box_words="red sun").args
    assert [(one.box, one.words) for one in regions] == [((0.25, 0.25, 0.75, 0.75), "red sun")]
    taken = boxes_from_input(ours, 64, 32)
    assert [{key: box[key] for key in ("x", "y", "width", "height")} for box in taken] == [{"x": 16, "y": 8, "width": 32, "height": 16}], taken
