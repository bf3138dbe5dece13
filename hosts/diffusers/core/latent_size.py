"""Nodes that change the size of latents."""
from __future__ import annotations

from ....nodes._api import io
from ..resize import METHODS, resize
from .latent import CELL, MOST_PIXELS


class LatentUpscale(io.ComfyNode):
    """Another size, in pixels; a side of 0 follows the other one."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LatentUpscale", display_name="Upscale Latent", category="model/latent",
            inputs=[
                io.Latent.Input("samples"),
                io.Combo.Input("upscale_method", options=list(METHODS)),
                io.Int.Input("width", default=512, min=0, max=MOST_PIXELS, step=8),
                io.Int.Input("height", default=512, min=0, max=MOST_PIXELS, step=8),
                io.Combo.Input("crop", options=["disabled", "center"]),
            ],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, samples, upscale_method, width, height, crop):
        if width == 0 and height == 0:
            return io.NodeOutput(samples)
        latent = samples["samples"]
        h, w = latent.shape[-2:]
        least = lambda side: max(64, side)
        if width == 0:
            height = least(height)
            width = round(w * height / h)
        elif height == 0:
            width = least(width)
            height = round(h * width / w)
        resized = resize(latent, least(width) // CELL, least(height) // CELL, upscale_method, crop)
        return io.NodeOutput({**samples, "samples": resized})


class LatentUpscaleBy(io.ComfyNode):
    """A multiple of the size."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LatentUpscaleBy", display_name="Upscale Latent By", category="model/latent",
            inputs=[
                io.Latent.Input("samples"),
                io.Combo.Input("upscale_method", options=list(METHODS)),
                io.Float.Input("scale_by", default=1.5, min=0.01, max=8.0, step=0.01),
            ],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, samples, upscale_method, scale_by):
        latent = samples["samples"]
        resized = resize(latent, round(latent.shape[-1] * scale_by), round(latent.shape[-2] * scale_by), upscale_method)
        return io.NodeOutput({**samples, "samples": resized})
