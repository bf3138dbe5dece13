"""Nodes that make latents, and choose among the images of a batch."""
from __future__ import annotations

import torch

from ....nodes._api import io
from ..resize import to_batch

MOST_PIXELS = 16384
CELL = 8  # pixels of a latent cell


class EmptyLatentImage(io.ComfyNode):
    """A blank canvas."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="EmptyLatentImage", display_name="Empty Latent Image", category="model/latent",
            inputs=[
                io.Int.Input("width", default=512, min=16, max=MOST_PIXELS, step=8, tooltip="In pixels."),
                io.Int.Input("height", default=512, min=16, max=MOST_PIXELS, step=8, tooltip="In pixels."),
                io.Int.Input("batch_size", default=1, min=1, max=4096, tooltip="How many images."),
            ],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, width, height, batch_size=1):
        return io.NodeOutput({"samples": torch.zeros(batch_size, 4, height // CELL, width // CELL)})


class LatentFromBatch(io.ComfyNode):
    """Some images of a batch; they keep the noise that they had in it."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LatentFromBatch", display_name="Get Latent From Batch", category="model/latent/batch",
            inputs=[
                io.Latent.Input("samples"),
                io.Int.Input("batch_index", default=0, min=-MOST_PIXELS, max=MOST_PIXELS, tooltip="The first image, counted from 0; from the end if negative."),
                io.Int.Input("length", default=1, min=1, max=64, tooltip="How many images."),
            ],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, samples, batch_index, length):
        batch = len(samples["samples"])
        first = max(0, min(batch - 1, batch_index + batch if batch_index < 0 else batch_index))
        part = slice(first, min(first + length, batch))
        taken = {**samples, "samples": samples["samples"][part].clone(), "batch_index": samples.get("batch_index", list(range(batch)))[part]}
        if "noise_mask" in samples:
            mask = samples["noise_mask"]
            taken["noise_mask"] = mask.clone() if len(mask) == 1 else to_batch(mask, max(batch, len(mask)))[part].clone()
        return io.NodeOutput(taken)


class RepeatLatentBatch(io.ComfyNode):
    """The whole batch several times; every repetition gets noise of its own."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="RepeatLatentBatch", display_name="Repeat Latent Batch", category="model/latent/batch",
            inputs=[io.Latent.Input("samples"), io.Int.Input("amount", default=1, min=1, max=64, tooltip="How many times.")],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, samples, amount):
        repeated = {**samples, "samples": samples["samples"].repeat(amount, 1, 1, 1)}
        if "noise_mask" in samples and len(samples["noise_mask"]) > 1:
            repeated["noise_mask"] = to_batch(samples["noise_mask"], len(samples["samples"])).repeat(amount, 1, 1, 1)
        if "batch_index" in samples:
            own = list(samples["batch_index"])
            span = max(own) - min(own) + 1
            repeated["batch_index"] = [index + time * span for time in range(amount) for index in own]
        return io.NodeOutput(repeated)


class SetLatentNoiseMask(io.ComfyNode):
    """Only what the mask covers is denoised."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="SetLatentNoiseMask", display_name="Set Latent Noise Mask", category="model/latent",
            inputs=[io.Latent.Input("samples"), io.Mask.Input("mask")],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, samples, mask):
        return io.NodeOutput({**samples, "noise_mask": mask.reshape(-1, 1, *mask.shape[-2:])})
