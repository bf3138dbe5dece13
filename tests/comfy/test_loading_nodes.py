"""Loaders, image and mask nodes of the headless host take what ComfyUI's own take, and give the same pictures."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.core import image_batch, image_models, image_size, loaders, loras, masks, text
from concord.nodes import nodes_of

from .versions import version

DEEP = True  # in older hosts: slow
PICTURES = {node.__name__: node for module in (image_batch, image_size, masks) for node in nodes_of(module)}
NODES = PICTURES | {node.__name__: node for module in (image_models, loaders, loras, text) for node in nodes_of(module)}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


IMAGE, ALPHA, MASK, OTHER = random(2, 37, 53, 3), random(1, 20, 60, 4, seed=1), random(2, 31, 47, seed=2), random(1, 20, 25, seed=3)
SIZES = [(64, 48), (17, 90), (0, 30), (25, 0), (0, 0)]
CASES = {
    "ImageScale": [dict(image=IMAGE, upscale_method=method, width=x, height=y, crop=crop)
                   for method in image_size.METHODS for x, y in SIZES for crop in ("disabled", "center")],
    "ImageScaleBy": [dict(image=ALPHA, upscale_method=method, scale_by=by) for method in image_size.METHODS for by in (0.37, 1.0, 2.5)],
    "ImageScaleToTotalPixels": [dict(image=IMAGE, upscale_method="area", megapixels=0.01, resolution_steps=1)],
    "ImageCrop": [dict(image=IMAGE, width=w, height=h, x=x, y=y) for w, h, x, y in ((10, 5, 3, 4), (500, 500, 20, 0), (3, 3, 900, 900))],
    "EmptyImage": [dict(width=5, height=4, batch_size=2, color=color) for color in (0, 0x336699, 0xFFFFFF)],
    "ImageInvert": [dict(image=IMAGE)],
    "ImageBatch": [dict(image1=IMAGE, image2=ALPHA), dict(image1=ALPHA, image2=IMAGE), dict(image1=IMAGE, image2=IMAGE)],
    "RepeatImageBatch": [dict(image=IMAGE, amount=3)],
    "ImageFromBatch": [dict(image=IMAGE, batch_index=i, length=n) for i, n in ((0, 1), (1, 5), (7, 1), (0, 9))],
    "SolidMask": [dict(value=0.3, width=7, height=5)],
    "InvertMask": [dict(mask=MASK)],
    "MaskToImage": [dict(mask=MASK), dict(mask=MASK[0])],
    "ImageToMask": [dict(image=ALPHA, channel=channel) for channel in masks.CHANNELS],
    "CropMask": [dict(mask=MASK, x=3, y=5, width=9, height=70), dict(mask=MASK[0], x=0, y=0, width=512, height=2)],
    "MaskComposite": [dict(destination=MASK, source=OTHER, x=x, y=y, operation=op) for op in masks.OPERATIONS for x, y in ((0, 0), (30, 25), (4, 7))],
    "FeatherMask": [dict(mask=MASK, left=a, top=b, right=c, bottom=d) for a, b, c, d in ((0, 0, 0, 0), (5, 7, 9, 11), (999, 0, 30, 40))],
    "GrowMask": [dict(mask=MASK, expand=n, tapered_corners=corners) for n in (0, 3, -3) for corners in (True, False)],
    "ThresholdMask": [dict(mask=MASK, value=0.5)],
}  # fmt: skip


def test_every_node_is_compared():
    assert set(CASES) == set(PICTURES)


MENDED_LATER = {"FeatherMask", "ImageBatch", "ImageFromBatch"}  # 0.8 counts the right and lower edge from the wrong pixel, takes no negative index


def needs_newer(comfy: Path, node_id: str) -> None:
    if node_id in MENDED_LATER and version(comfy) < (0, 9):
        pytest.skip(f"{node_id} of ComfyUI {comfy.name} is older than the one that is followed here")


@pytest.mark.parametrize("node_id", CASES)
def test_same_picture(in_host, comfy, node_id):
    needs_newer(comfy, node_id)
    for inputs, theirs in zip(CASES[node_id], in_host("loading_nodes.py", node_id=node_id, inputs=CASES[node_id]), strict=True):
        ours = NODES[node_id].execute(**inputs).args[0]
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        assert (ours - theirs).abs().max() <= 1e-6, {key: value for key, value in inputs.items() if not isinstance(value, torch.Tensor)}


@pytest.mark.parametrize("node_id", NODES)
def test_same_inputs_and_outputs(in_host, comfy, node_id):
    needs_newer(comfy, node_id)
    theirs, ours = in_host("loading_nodes.py", "schema", node_id=node_id), NODES[node_id].define_schema()
    added_later = {"resolution_steps"} - set(theirs["inputs"])
    inputs = [entry for entry in ours.inputs if entry.id not in added_later]
    assert [entry.id for entry in inputs] == list(theirs["inputs"])
    for entry in inputs:
        kind, *limits = theirs["inputs"][entry.id]
        assert entry.io_type == kind
        assert [getattr(entry, key, None) for key in ("default", "min", "max", "step")] == limits or kind == "COMBO", entry.id
    assert [output.io_type for output in ours.outputs] == theirs["outputs"]
