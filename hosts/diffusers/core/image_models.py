"""Models that look at images: ControlNetLoader, CLIPVisionLoader, CLIPVisionEncode."""
from __future__ import annotations

from ....nodes._api import io
from ..graph.context import current
from ..loading.control import load_control_net
from ..loading.vision import load_vision


class ControlNetLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="ControlNetLoader", display_name="Load ControlNet Model", category="model/loaders",
                         inputs=[io.Combo.Input("control_net_name", options=current().names("controlnet"))], outputs=[io.ControlNet.Output()])  # fmt: skip

    @classmethod
    def execute(cls, control_net_name):
        context = current()
        return io.NodeOutput(load_control_net(context.find("controlnet", control_net_name), context.device, context.dtype))


class CLIPVisionLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="CLIPVisionLoader", display_name="Load CLIP Vision", category="model/loaders",
                         inputs=[io.Combo.Input("clip_name", options=current().names("clip_vision"))], outputs=[io.ClipVision.Output()])  # fmt: skip

    @classmethod
    def execute(cls, clip_name):
        return io.NodeOutput(load_vision(current().find("clip_vision", clip_name), current().device))


class CLIPVisionEncode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="CLIPVisionEncode", display_name="CLIP Vision Encode", category="model/conditioning",
                         inputs=[io.ClipVision.Input("clip_vision"), io.Image.Input("image"), io.Combo.Input("crop", options=["center", "none"])],
                         outputs=[io.ClipVisionOutput.Output()])  # fmt: skip

    @classmethod
    def execute(cls, clip_vision, image, crop):
        return io.NodeOutput(clip_vision.encode_image(image, crop=crop == "center"))
