from __future__ import annotations

from ..processors.features.controlnet import ControlResiduals
from ._api import host, io


class ApplyControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_ApplyControlNet",
            display_name="Apply ControlNet (Concord)",
            category="concord/control",
            description="Makes the picture follow a hint: outlines, depth, a pose or whatever the ControlNet was trained on. Chain several; each follows the windows of MultiDiffusion.",
            search_aliases=["controlnet", "control net", "ControlNetApplyAdvanced", "guide with outlines"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="What the picture should show."),
                io.Conditioning.Input("negative", tooltip="What it should not show."),
                io.ControlNet.Input("control_net", tooltip="The ControlNet, of the same family as the model."),
                io.Image.Input("image", tooltip="The hint, as this ControlNet wants it (for outlines: white lines on black). One for all pictures, or one for each of the batch."),
                io.Float.Input("strength", default=1.0, min=0.0, max=10.0, step=0.01, tooltip="How strictly the picture follows the hint. 0 is off."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on the hint counts; 0 is the first step."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run; end earlier to let the model finish the details freely."),
                io.Vae.Input("vae", optional=True, tooltip="Only for ControlNets that take latents instead of pictures."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive prompt with the hint."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative prompt with the hint."),
            ],
        )

    @classmethod
    def execute(cls, positive, negative, control_net, image, strength, start_percent, end_percent, vae=None) -> io.NodeOutput:
        edit = ControlResiduals(strength=strength, window=(start_percent, end_percent))
        return io.NodeOutput(*host().apply_control(positive, negative, control_net, image, edit, vae))
