from __future__ import annotations

from ..processors.attention.attention_maps import asked_words, attention_maps
from ..processors.attention.layer_ranges import parse_ranges
from ._api import host, io


class AttentionMaps(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_AttentionMaps",
            display_name="Attention Maps (Concord)",
            category="concord/attention",
            description="Watches where the model looks for each word of the prompt while it draws (DAAM). The picture stays as it is, to the last bit. Show Attention Maps draws what was seen.",
            search_aliases=["DAAM", "attention heatmap", "cross attention map", "word map", "prompt mask", "attention mask", "token heatmap"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws."),
                io.Clip.Input("clip", tooltip="The CLIP that reads the prompt: it says which tokens a word is."),
                io.String.Input("text", multiline=True, tooltip="The positive prompt, exactly as CLIP Text Encode gets it."),
                io.String.Input("words", default="", tooltip="The words to watch, with commas between; several words are one, such as: red circle, star. Empty: every word of the prompt."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on it watches; 0 is the first step."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run. The layout is decided in the first third, details later."),
                io.String.Input("layers", default="", optional=True,
                                tooltip="The layers to watch, by number: 4-9, 12 (Stable Diffusion 1.x has 0 to 15, SDXL 0 to 69, from the first to the last). Empty: all."),
                io.Int.Input("prompt_number", default=0, min=0, max=255, optional=True, advanced=True,
                             tooltip="Which prompt has this text, if several are combined: 0 is the first."),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model that is watched. Use it with any sampler."),
                io.Custom("CONCORD_MAPS").Output(display_name="maps", tooltip="What was seen in the last run of that model. For Show Attention Maps."),
            ],
        )

    @classmethod
    def execute(cls, model, clip, text, words, start_percent, end_percent, layers="", prompt_number=0) -> io.NodeOutput:
        prompt, count = host().read_prompt(clip, text), host().cross_attentions(model)[0]
        where = parse_ranges(layers, count) if layers.strip() else None
        edit, maps = attention_maps(asked_words(words, prompt), where, (start_percent, end_percent), prompt_number)
        return io.NodeOutput(host().attach(model, edit), maps)
