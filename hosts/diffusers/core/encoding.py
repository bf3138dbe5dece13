"""Nodes between pictures and latents."""
from __future__ import annotations

import math

import torch
from torch.nn.functional import conv2d, interpolate

from ....nodes._api import io

CELL = 8  # pixels of a latent cell


class VAEEncode(io.ComfyNode):
    """Picture to latent."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="VAEEncode", display_name="VAE Encode", category="model/latent",
            inputs=[io.Image.Input("pixels"), io.Vae.Input("vae")], outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, pixels, vae):
        return io.NodeOutput({"samples": vae.encode(pixels)})


class VAEDecode(io.ComfyNode):
    """Latent to picture."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="VAEDecode", display_name="VAE Decode", category="model/latent",
            inputs=[io.Latent.Input("samples"), io.Vae.Input("vae")], outputs=[io.Image.Output("IMAGE")],
        )

    @classmethod
    def execute(cls, samples, vae):
        return io.NodeOutput(vae.decode(samples["samples"]))


class VAEEncodeForInpaint(io.ComfyNode):
    """Picture to latent, with what the mask covers blanked in the picture and marked for denoising."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="VAEEncodeForInpaint", display_name="VAE Encode (for Inpainting)", category="model/latent",
            inputs=[
                io.Image.Input("pixels"), io.Vae.Input("vae"), io.Mask.Input("mask"),
                io.Int.Input("grow_mask_by", default=6, min=0, max=64, step=1,
                             tooltip="Pixels by which the denoised part reaches over the mask, to hide the seam."),
            ],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, pixels, vae, mask, grow_mask_by=6):
        height, width = pixels.shape[1:3]
        mask = interpolate(mask.reshape(-1, 1, *mask.shape[-2:]), size=(height, width), mode="bilinear").round()
        inside = [slice(side % CELL // 2, side % CELL // 2 + side // CELL * CELL) for side in (height, width)]
        pixels, mask = pixels[:, inside[0], inside[1]], mask[:, :, inside[0], inside[1]]
        grown = mask
        if grow_mask_by:
            grown = conv2d(mask, torch.ones(1, 1, grow_mask_by, grow_mask_by), padding=math.ceil((grow_mask_by - 1) / 2)).clamp(0, 1).round()
        grey = (pixels[..., :3] - 0.5) * (1.0 - mask[:, 0, :, :, None]) + 0.5
        blanked = torch.cat([grey, pixels[..., 3:]], dim=-1)
        return io.NodeOutput({"samples": vae.encode(blanked), "noise_mask": grown[:, :, : mask.shape[2], : mask.shape[3]]})
