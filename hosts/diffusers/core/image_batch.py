"""Images made and put together: EmptyImage, ImageInvert, ImageBatch, RepeatImageBatch, ImageFromBatch."""
from __future__ import annotations

import torch
from torch.nn.functional import pad

from ....nodes._api import io
from .image_size import LARGEST, scale


class EmptyImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="EmptyImage", display_name="Empty Image", category="image",
            inputs=[
                io.Int.Input("width", default=512, min=1, max=LARGEST, step=1),
                io.Int.Input("height", default=512, min=1, max=LARGEST, step=1),
                io.Int.Input("batch_size", default=1, min=1, max=4096),
                io.Int.Input("color", default=0, min=0, max=0xFFFFFF, step=1),
            ],
            outputs=[io.Image.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, width, height, batch_size=1, color=0):
        rgb = torch.tensor([(color >> shift & 0xFF) / 0xFF for shift in (16, 8, 0)])
        return io.NodeOutput(rgb.expand(batch_size, height, width, 3).clone())


class ImageInvert(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="ImageInvert", display_name="Invert Image Colors", category="image/color",
                         inputs=[io.Image.Input("image")], outputs=[io.Image.Output()])  # fmt: skip

    @classmethod
    def execute(cls, image):
        return io.NodeOutput(1.0 - image)


class ImageBatch(io.ComfyNode):
    """The second image takes the first one's size; a missing alpha channel is opaque."""

    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="ImageBatch", display_name="Batch Images", category="image/batch",
                         inputs=[io.Image.Input("image1"), io.Image.Input("image2")], outputs=[io.Image.Output()])  # fmt: skip

    @classmethod
    def execute(cls, image1, image2):
        channels = max(image1.shape[-1], image2.shape[-1])
        first, second = (pad(image, (0, 1), value=1.0) if image.shape[-1] < channels else image for image in (image1, image2))
        if first.shape[1:] != second.shape[1:]:
            second = scale(second, first.shape[2], first.shape[1], "bilinear", "center")
        return io.NodeOutput(torch.cat([first, second]))


class RepeatImageBatch(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="RepeatImageBatch", display_name="Repeat Image Batch", category="image/batch",
                         inputs=[io.Image.Input("image"), io.Int.Input("amount", default=1, min=1, max=4096)], outputs=[io.Image.Output()])  # fmt: skip

    @classmethod
    def execute(cls, image, amount):
        return io.NodeOutput(image.repeat(amount, 1, 1, 1))


class ImageFromBatch(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ImageFromBatch", display_name="Get Image from Batch", category="image/batch",
            inputs=[
                io.Image.Input("image"),
                io.Int.Input("batch_index", default=0, min=-LARGEST, max=LARGEST),
                io.Int.Input("length", default=1, min=1, max=4096),
            ],
            outputs=[io.Image.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, image, batch_index, length):
        first = batch_index + (len(image) if batch_index < 0 else 0)
        first = max(0, min(len(image) - 1, first))
        return io.NodeOutput(image[first : first + length].clone())
