"""Images made larger and smaller: ImageScale, ImageScaleBy, ImageScaleToTotalPixels, ImageCrop."""
from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ....nodes._api import io
from ..resize import center, resize

METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
LARGEST = 16384


def scale(image: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """[B, y, x, C] -> [B, height, width, C]; crop "center" keeps the aspect and cuts what stands out. Lanczos goes through 8-bit, as in ComfyUI."""
    channels_first = image.movedim(-1, 1)
    if method == "lanczos":
        return _lanczos(center(channels_first, width / height) if crop == "center" else channels_first, width, height).movedim(1, -1)
    return resize(channels_first, width, height, method, crop).movedim(1, -1)


def _lanczos(images: Tensor, width: int, height: int) -> Tensor:
    resized = []
    for image in images:
        pixels = (255.0 * image.movedim(0, -1)).clamp(0, 255).to("cpu", torch.uint8).numpy()
        pil = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).resize((width, height), Image.Resampling.LANCZOS)
        resized.append(torch.from_numpy(np.array(pil, dtype=np.float32) / 255.0).view(height, width, -1).movedim(-1, 0))
    return torch.stack(resized).to(images)


class ImageScale(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ImageScale", display_name="Upscale Image", category="image/upscaling",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=METHODS),
                io.Int.Input("width", default=512, min=0, max=LARGEST, step=1),
                io.Int.Input("height", default=512, min=0, max=LARGEST, step=1),
                io.Combo.Input("crop", options=["disabled", "center"]),
            ],
            outputs=[io.Image.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, image, upscale_method, width, height, crop):
        if width == 0 and height == 0:
            return io.NodeOutput(image)
        y, x = image.shape[1:3]
        width, height = width or max(1, round(x * height / y)), height or max(1, round(y * width / x))
        return io.NodeOutput(scale(image, width, height, upscale_method, crop))


class ImageScaleBy(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ImageScaleBy", display_name="Upscale Image By", category="image/upscaling",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=METHODS),
                io.Float.Input("scale_by", default=1.0, min=0.01, max=8.0, step=0.01),
            ],
            outputs=[io.Image.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, image, upscale_method, scale_by):
        return io.NodeOutput(scale(image, round(image.shape[2] * scale_by), round(image.shape[1] * scale_by), upscale_method))


class ImageScaleToTotalPixels(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ImageScaleToTotalPixels", display_name="Scale Image to Total Pixels", category="image/upscaling",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=METHODS),
                io.Float.Input("megapixels", default=1.0, min=0.01, max=16.0, step=0.01),
                io.Int.Input("resolution_steps", default=1, min=1, max=256, advanced=True),
            ],
            outputs=[io.Image.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, image, upscale_method, megapixels, resolution_steps=1):
        y, x = image.shape[1:3]
        factor = math.sqrt(megapixels * 1024 * 1024 / (x * y))
        steps = lambda side: round(side * factor / resolution_steps) * resolution_steps
        return io.NodeOutput(scale(image, steps(x), steps(y), upscale_method))


class ImageCrop(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ImageCrop", display_name="Crop Image", category="image/transform",
            inputs=[
                io.Image.Input("image"),
                io.Int.Input("width", default=512, min=1, max=LARGEST, step=1),
                io.Int.Input("height", default=512, min=1, max=LARGEST, step=1),
                io.Int.Input("x", default=0, min=0, max=LARGEST, step=1),
                io.Int.Input("y", default=0, min=0, max=LARGEST, step=1),
            ],
            outputs=[io.Image.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, image, width, height, x, y):
        x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
        return io.NodeOutput(image[:, y : y + height, x : x + width])
