"""Prompts: CLIPTextEncode, CLIPTextEncodeSDXL, CLIPSetLastLayer."""
from __future__ import annotations

from ....nodes._api import io
from .image_size import LARGEST


class CLIPTextEncode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="CLIPTextEncode", display_name="CLIP Text Encode (Prompt)", category="model/conditioning",
                         inputs=[io.String.Input("text", multiline=True, dynamic_prompts=True), io.Clip.Input("clip")],
                         outputs=[io.Conditioning.Output()])  # fmt: skip

    @classmethod
    def execute(cls, text, clip):
        return io.NodeOutput(clip.encode_from_tokens_scheduled(clip.tokenize(text)))


class CLIPTextEncodeSDXL(io.ComfyNode):
    """Each tower has its own prompt; the shorter one is filled with empty chunks. Sizes are what the network is told about the picture."""

    @classmethod
    def define_schema(cls):
        size = lambda name, default=1024: io.Int.Input(name, default=default, min=0, max=LARGEST)
        return io.Schema(
            node_id="CLIPTextEncodeSDXL", display_name="CLIP Text Encode (SDXL)", category="model/conditioning/stable diffusion",
            inputs=[
                io.Clip.Input("clip"),
                size("width"), size("height"), size("crop_w", 0), size("crop_h", 0), size("target_width"), size("target_height"),
                io.String.Input("text_g", multiline=True, dynamic_prompts=True),
                io.String.Input("text_l", multiline=True, dynamic_prompts=True),
            ],
            outputs=[io.Conditioning.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, clip, text_g, text_l, **sizes):
        texts, empty = {"g": clip.tokenize(text_g)["g"], "l": clip.tokenize(text_l)["l"]}, clip.tokenize("")
        longest = max(map(len, texts.values()))
        tokens = {name: chunks + empty[name] * (longest - len(chunks)) for name, chunks in texts.items()}
        return io.NodeOutput(clip.encode_from_tokens_scheduled(tokens, add_dict=sizes))


class CLIPSetLastLayer(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="CLIPSetLastLayer", display_name="CLIP Set Last Layer", category="model/conditioning",
                         inputs=[io.Clip.Input("clip"), io.Int.Input("stop_at_clip_layer", default=-1, min=-24, max=-1, step=1, advanced=True)],
                         outputs=[io.Clip.Output()])  # fmt: skip

    @classmethod
    def execute(cls, clip, stop_at_clip_layer):
        return io.NodeOutput(clip.stopped_at(stop_at_clip_layer))
