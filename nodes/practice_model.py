from __future__ import annotations

from ._api import host, io


class LoadPracticeModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_LoadPracticeModel",
            display_name="Load Practice Model (Concord)",
            category="concord/practice",
            description="A tiny text-to-image model that comes with Concord: simple shapes and wide scenes at 128 pixels, in seconds on any computer. For trying techniques.",
            search_aliases=["practice", "tiny model", "demo model"],
            inputs=[],
            outputs=[
                io.Model.Output(display_name="model", tooltip="Draws pictures of 128 x 128 pixels."),
                io.Clip.Output(display_name="clip", tooltip="Reads prompts such as: a red striped circle on the left on a blue background."),
                io.Vae.Output(display_name="vae", tooltip="Turns its latents into pictures and back."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*host().practice_model())


class LoadPracticeControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_LoadPracticeControlNet",
            display_name="Load Practice ControlNet (Concord)",
            category="concord/practice",
            description="The practice model's ControlNet: pictures follow white outlines on black, such as those of Practice Scene.",
            search_aliases=["practice controlnet", "outline controlnet"],
            inputs=[],
            outputs=[io.ControlNet.Output(display_name="control_net", tooltip="For Apply ControlNet, with the practice model only.")],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(host().practice_control_net())


class LoadPracticeAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_LoadPracticeAdapter",
            display_name="Load Practice Image Adapter (Concord)",
            category="concord/practice",
            description="The practice model's image adapter with its small vision tower, in the file format of IP-Adapter.",
            search_aliases=["practice ip-adapter", "practice image prompt"],
            inputs=[],
            outputs=[io.Custom("CONCORD_ADAPTER").Output(display_name="adapter", tooltip="For Decoupled Cross-Attention, with the practice model only; it needs no clip_vision.")],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(host().practice_adapter())
