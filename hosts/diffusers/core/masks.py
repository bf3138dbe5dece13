"""Masks made and changed: SolidMask, InvertMask, MaskToImage, ImageToMask, CropMask, MaskComposite, FeatherMask, GrowMask, ThresholdMask."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from ....nodes._api import io
from .image_size import LARGEST

CHANNELS = ["red", "green", "blue", "alpha"]
OPERATIONS = {
    "multiply": torch.mul,
    "add": torch.add,
    "subtract": torch.sub,
    "and": lambda a, b: (a.round().bool() & b.round().bool()).float(),
    "or": lambda a, b: (a.round().bool() | b.round().bool()).float(),
    "xor": lambda a, b: (a.round().bool() ^ b.round().bool()).float(),
}


def _pixels(name: str, least: int = 0, default: int = 0):
    return io.Int.Input(name, default=default, min=least, max=LARGEST, step=1)


def _flat(mask: Tensor) -> Tensor:
    """[..., y, x] -> [B, y, x]"""
    return mask.reshape(-1, *mask.shape[-2:])


class SolidMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="SolidMask", display_name="Create Solid Mask", category="image/mask",
            inputs=[io.Float.Input("value", default=1.0, min=0.0, max=1.0, step=0.01), _pixels("width", 1, 512), _pixels("height", 1, 512)],
            outputs=[io.Mask.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, value, width, height):
        return io.NodeOutput(torch.full((1, height, width), float(value)))


class InvertMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="InvertMask", display_name="Invert Mask", category="image/mask", inputs=[io.Mask.Input("mask")], outputs=[io.Mask.Output()])

    @classmethod
    def execute(cls, mask):
        return io.NodeOutput(1.0 - mask)


class MaskToImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="MaskToImage", display_name="Convert Mask to Image", category="image/mask",
                         inputs=[io.Mask.Input("mask")], outputs=[io.Image.Output()])  # fmt: skip

    @classmethod
    def execute(cls, mask):
        return io.NodeOutput(_flat(mask)[..., None].expand(-1, -1, -1, 3))


class ImageToMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="ImageToMask", display_name="Convert Image to Mask", category="image/mask",
                         inputs=[io.Image.Input("image"), io.Combo.Input("channel", options=CHANNELS)], outputs=[io.Mask.Output()])  # fmt: skip

    @classmethod
    def execute(cls, image, channel):
        return io.NodeOutput(image[..., CHANNELS.index(channel)])


class CropMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CropMask", display_name="Crop Mask", category="image/mask",
            inputs=[io.Mask.Input("mask"), _pixels("x"), _pixels("y"), _pixels("width", 1, 512), _pixels("height", 1, 512)],
            outputs=[io.Mask.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, mask, x, y, width, height):
        return io.NodeOutput(_flat(mask)[:, y : y + height, x : x + width])


class MaskComposite(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MaskComposite", display_name="Combine Masks", category="image/mask",
            inputs=[io.Mask.Input("destination"), io.Mask.Input("source"), _pixels("x"), _pixels("y"), io.Combo.Input("operation", options=list(OPERATIONS))],
            outputs=[io.Mask.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, destination, source, x, y, operation):
        out = _flat(destination).clone()
        under = out[:, y : y + source.shape[-2], x : x + source.shape[-1]]
        under.copy_(OPERATIONS[operation](under, _flat(source)[:, : under.shape[1], : under.shape[2]]))
        return io.NodeOutput(out.clamp(0.0, 1.0))


class FeatherMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FeatherMask", display_name="Feather Mask", category="image/mask",
            inputs=[io.Mask.Input("mask"), _pixels("left"), _pixels("top"), _pixels("right"), _pixels("bottom")],
            outputs=[io.Mask.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, mask, left, top, right, bottom):
        out = _flat(mask).clone()
        for side, wanted, line in ((left, -1, False), (right, -1, True), (top, -2, False), (bottom, -2, True)):
            size = min(side, out.shape[wanted])
            ramp = torch.ones(out.shape[wanted])
            ramp[:size] = torch.arange(1, size + 1) / max(size, 1)
            ramp = ramp.flip(0) if line else ramp
            out *= ramp if wanted == -1 else ramp[:, None]
        return io.NodeOutput(out)


class GrowMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GrowMask", display_name="Grow Mask", category="image/mask",
            inputs=[
                io.Mask.Input("mask"),
                io.Int.Input("expand", default=0, min=-LARGEST, max=LARGEST, step=1),
                io.Boolean.Input("tapered_corners", default=True, advanced=True),
            ],
            outputs=[io.Mask.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, mask, expand, tapered_corners):
        sign = 1 if expand >= 0 else -1  # shrinking is growing what is not masked
        out = _flat(mask) * sign
        for _ in range(abs(expand)):
            out = _grow_cross(out) if tapered_corners else max_pool2d(out, 3, stride=1, padding=1)
        return io.NodeOutput(out * sign)


def _grow_cross(mask: Tensor) -> Tensor:
    """Each pixel takes the largest value of itself and its four neighbours."""
    around = pad(mask, (1, 1, 1, 1), value=float("-inf"))
    return torch.stack([mask, around[:, 1:-1, 2:], around[:, 1:-1, :-2], around[:, 2:, 1:-1], around[:, :-2, 1:-1]]).amax(0)


class ThresholdMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ThresholdMask", display_name="Threshold Mask", category="image/mask",
            inputs=[io.Mask.Input("mask"), io.Float.Input("value", default=0.5, min=0.0, max=1.0, step=0.01)],
            outputs=[io.Mask.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, mask, value):
        return io.NodeOutput((mask > value).float())
