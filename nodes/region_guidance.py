from __future__ import annotations

from ..processors.attention.paint_with_words import LAWS
from ..processors.attention.score_size import SCOPES
from ._api import host, io
from ._region_modes import FILLERS, MODES, Asked, edits_of

MORE = dict(optional=True, advanced=True)


class RegionGuidance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_RegionGuidance",
            display_name="Region Guidance (Concord)",
            category="concord/space",
            description="Puts what you say where you want it: draw regions, and give each words of the prompt or a prompt of its own.",
            search_aliases=["regional prompt", "attention couple", "paint with words", "layout guidance", "BoxDiff", "Attend and Excite", "eDiff-I", "bounding box", "layout control"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws."),
                io.Clip.Input("clip", tooltip="The text encoder of the same checkpoint; it reads the text below and the prompts of the regions."),
                io.String.Input("text", multiline=True, default="",
                                tooltip="The positive prompt, exactly as CLIP Text Encode gets it. The words of the regions are looked for in it. Region prompts do without."),
                io.Custom("CONCORD_REGIONS").Input("regions", tooltip="Where things belong: the output of Regions, or of Region."),
                io.Combo.Input("mode", options=list(MODES), default=next(iter(MODES)),
                               tooltip="Region prompts: each region reads a prompt of its own; the surest. Paint with words and forward guidance: words of the prompt are drawn into their region, at hardly "
                                       "any cost. Backward guidance, BoxDiff: the same by steering the picture at the start, slower and closer. Attend-and-Excite: no word is forgotten; it asks only for words, not for places."),
                io.Float.Input("strength", default=1.0, min=0.0, max=20.0, step=0.05, tooltip="How strongly. 1 is the authors' amount, 0 is off. Region prompts are complete at 1."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on; 0 is the first step, where the layout is decided."),
                io.Float.Input("end_percent", default=0.0, min=0.0, max=1.0, step=0.001,
                               tooltip="Until which part of the run. 0 takes the authors': the whole run for region prompts and paint with words, a fifth for forward and backward guidance, half for BoxDiff and Attend-and-Excite."),
                io.Float.Input("base_ratio", default=0.2, min=0.0, max=1.0, step=0.05, optional=True,
                               tooltip="Region prompts: what the main prompt keeps inside the regions. 0: nothing. More lets the parts grow together."),
                io.String.Input("layers", default="", **MORE,
                                tooltip="The layers that take part, by number: 4-9, 12 (Stable Diffusion 1.x has 0 to 15, SDXL 0 to 69, from the first to the last). Empty: the authors'."),
                io.Combo.Input("law", options=list(LAWS), default=next(iter(LAWS)), **MORE,
                               tooltip="Paint with words: the amount, how it falls with the noise (sigma), and what it is measured by. The first four are the authors' code (its default, and stronger ones), then eDiff-I's formula, Collage Diffusion's two, and one that stays level."),
                io.Combo.Input("measured_over", options=list(SCOPES), default=SCOPES[0], **MORE,
                               tooltip="Paint with words: over what the measure is taken. Picture: each for itself. Batch: all pictures together, as in the authors' code, so that they depend on each other."),
                io.Float.Input("outside", default=0.0, min=0.0, max=4.0, step=0.05, **MORE,
                               tooltip="Paint with words: how much the words are also pushed out of the rest of the picture, as a share of the amount. Collage Diffusion takes 0.5."),
                io.Int.Input("iterations", default=0, min=0, max=100, **MORE,
                             tooltip="Backward guidance, BoxDiff, Attend-and-Excite: how often a step may be corrected. 0 takes the authors': 5, 20, 20. More is slower and closer."),
                io.Float.Input("threshold", default=0.0, min=0.0, max=1.0, step=0.01, **MORE,
                               tooltip="When it is good enough. Backward guidance: stops below this loss; the authors take 0.2. BoxDiff, Attend-and-Excite: every word must reach this much of the attention; 0.8. 0 takes the authors'."),
                io.Combo.Input("filler_tokens", options=list(FILLERS), default=next(iter(FILLERS)), **MORE,
                               tooltip="Forward and backward guidance: whether the tokens that begin and fill up the prompt are moved along. The authors do so in forward guidance, and not in backward guidance."),
                io.Int.Input("prompt_number", default=0, min=0, max=255, **MORE, tooltip="Which prompt has this text, if several are combined: 0 is the first. Region prompts act on all."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model that keeps to the regions. Use it with any sampler.")],
        )

    @classmethod
    def execute(cls, model, clip, text, regions, mode, strength, start_percent, end_percent, base_ratio=0.2, layers="", law=next(iter(LAWS)),
                measured_over=SCOPES[0], outside=0.0, iterations=0, threshold=0.0, filler_tokens=next(iter(FILLERS)), prompt_number=0) -> io.NodeOutput:
        asked = Asked(model, clip, text, regions, mode, strength, start_percent, end_percent, layers, base_ratio, law, measured_over, outside, iterations,
                      threshold, FILLERS[filler_tokens], prompt_number)
        return io.NodeOutput(host().attach(model, *edits_of(asked)))
