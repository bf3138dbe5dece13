from __future__ import annotations

from ..processors.latents.adain import latent_adain
from ..processors.statistics import MODES
from ._api import io


class LatentAdaIN(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_LatentAdaIN",
            display_name="Latent AdaIN (Concord)",
            category="concord/latent",
            description="Gives a picture in latent space the colours and the contrast of another one: each channel gets the reference's mean and deviation.",
            search_aliases=["adain", "colour transfer", "color match", "latent statistics", "style transfer", "LatentAdaIN"],
            inputs=[
                io.Latent.Input("latent", tooltip="What is changed: encoded pictures, or the result of a sampler."),
                io.Latent.Input("reference", tooltip="Whose colours and contrast are taken. One for all pictures, or one for each; any size, the same family of models."),
                io.Combo.Input("mode", options=list(MODES), default=MODES[0],
                               tooltip="Mean and deviation: colours and contrast. Mean: the overall tone alone. Deviation: the contrast alone."),
                io.Float.Input("strength", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="How far the picture goes to the reference. 0 is off."),
                io.Mask.Input("mask", optional=True, tooltip="Which part of the picture is changed: white is all, black is none. One for all pictures, or one for each."),
                io.Mask.Input("reference_mask", optional=True, tooltip="Which part of the reference counts, for instance the sky alone."),
                io.Latent.Input("second_reference", optional=True, tooltip="Another picture to take colours and contrast from; see blend."),
                io.Float.Input("blend", default=0.5, min=0.0, max=1.0, step=0.01, optional=True, tooltip="Between the two references: 0 is the first alone, 1 the second alone."),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="The changed pictures. Decode them, or give them to a sampler with denoise below 1.")],
        )

    @classmethod
    def execute(cls, latent, reference, mode, strength, mask=None, reference_mask=None, second_reference=None, blend=0.5) -> io.NodeOutput:
        references, weights = [reference["samples"]], [1.0]
        if second_reference is not None:
            references, weights = [*references, second_reference["samples"]], [1.0 - blend, blend]
        samples = latent_adain(latent["samples"], references, weights, mode, strength, mask, [reference_mask])
        return io.NodeOutput({**latent, "samples": samples})
