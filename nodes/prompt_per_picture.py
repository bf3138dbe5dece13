from __future__ import annotations

from ..processors.conditions.lanes import one_per_sample
from ..processors.errors import ConcordError
from ._api import host, io


class PromptPerPicture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_PromptPerPicture",
            display_name="Prompt per Picture (Concord)",
            category="concord/conditioning",
            description="Tells every picture of a batch a prompt of its own: a set of subjects in one style, a reference and the pictures that follow it.",
            search_aliases=["batch prompts", "prompt list", "prompt per image", "multiple prompts", "batch conditioning"],
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the checkpoint."),
                io.Latent.Input("latent", tooltip="The batch that will be drawn, the same that goes to the sampler; only its size counts here."),
                io.String.Input("prompts", multiline=True, default="a red circle\na green star\na yellow square",
                                tooltip="One prompt a line: the first picture of the batch, the second, and so on. The last line serves all further pictures."),
                io.String.Input("style", default="", optional=True, tooltip="Words that end every prompt, after a comma: watercolor, soft light."),
            ],
            outputs=[io.Conditioning.Output(display_name="conditioning", tooltip="For the sampler's positive input.")],
        )

    @classmethod
    def execute(cls, clip, latent, prompts, style="") -> io.NodeOutput:
        lines, pictures = [line.strip() for line in prompts.splitlines() if line.strip()], len(latent["samples"])
        if not lines or len(lines) > pictures:
            raise ConcordError(f"there are {len(lines)} prompts for {pictures} pictures; write at least one line, and no more than the batch has pictures (batch_size of the latent)")
        told = [host().encode_prompt(clip, f"{line}, {style.strip()}" if style.strip() else line) for line in lines]
        told += told[-1:] * (pictures - len(told))
        return io.NodeOutput(one_per_sample(told, 1, host().encode_prompt(clip, "")[0][0]))
