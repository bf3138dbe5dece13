from __future__ import annotations

from ..processors.attention.prompt_to_prompt import MODES, prompt_to_prompt
from ..processors.attention.word_report import report
from ..processors.attention.word_windows import lanes_of
from ..processors.conditions.lanes import grouped, one_per_sample, roles
from ..processors.errors import ConcordError
from ..processors.latents.follow import follow_bank, start_at_bank
from ..processors.latents.local_blend import local_blend
from ..processors.rows import WORDS
from ..processors.words import mark
from ._api import host, io

LAYERS = {"coarse (16 x 16 at 512 pixels)": 1 / 16, "coarsest (8 x 8)": 1 / 64, "middle (32 x 32)": 1 / 4, "all": 1.0}


class PromptToPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_PromptToPrompt",
            display_name="Prompt-to-Prompt (Concord)",
            category="concord/attention",
            description="Draws a picture and variants of it from changed prompts: the variants keep its composition, because every word looks where it looked in the first picture.",
            search_aliases=["prompt to prompt", "p2p", "attention replace", "attention refine", "attention reweight", "prompt editing"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws."),
                io.Clip.Input("clip", tooltip="The text encoder of the same checkpoint; it reads the prompts below."),
                io.Latent.Input("latent", tooltip="An empty latent, or a picture for image to image. Each picture of its batch becomes a source with its targets."),
                io.String.Input("source", multiline=True, default="a red circle on a blue background", tooltip="The prompt of the first picture, the source."),
                io.String.Input("targets", multiline=True, default="a green circle on a blue background", tooltip="The changed prompts, one a line; each becomes a picture beside the source."),
                io.Combo.Input("mode", options=list(MODES), default="replace",
                               tooltip="Replace: single words are swapped, as many in both prompts. Refine: words come and go, all others stay. Reweight: the same words, louder or softer."),
                io.String.Input("cross_replace", default="default:0-0.8",
                                tooltip="In which part of the run words keep their places: default:0-0.8, cat:0-0.4. Shorter gives the new words more freedom. 0-0 is never."),
                io.Float.Input("layout_start", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on the variants keep the layout of the source; 0 is the first step."),
                io.Float.Input("layout_end", default=0.4, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run. Longer keeps more of the source's shapes, 0 none."),
                io.Combo.Input("layout_layers", options=list(LAYERS), default=next(iter(LAYERS)),
                               tooltip="How fine the layout is that is kept. Coarse is the paper's: composition and poses. All keeps outlines and details too."),
                io.String.Input("word_weights", default="", optional=True, tooltip="Words of the targets louder or softer, from -5 to 10: red:2, hill:0.5. 1 changes nothing."),
                io.String.Input("blend_words", default="", optional=True,
                                tooltip="Words of the source and of the targets that may change the picture: cat, dog. Elsewhere the targets stay the source. Empty: they may change everywhere."),
                io.String.Input("keep_words", default="", optional=True, tooltip="Words whose place stays the source even where the words above reach. Needs words above."),
                io.Float.Input("blend_threshold", default=0.3, min=0.0, max=1.0, step=0.01, optional=True, tooltip="How much a place must be looked at to count. Higher changes less of the picture."),
                io.Float.Input("blend_start", default=0.2, min=0.0, max=1.0, step=0.001, optional=True, tooltip="From which part of the run on the rest stays the source."),
                io.String.Input("beside", multiline=True, default="", optional=True,
                                tooltip="Prompts of further pictures that stand after the targets and take no part, one a line: a reference for StyleAligned, for instance."),
                io.Custom("CONCORD_BANK").Input("bank", optional=True,
                                                tooltip="A real picture as the source: the bank of DDIM Inversion, made with the source's prompt. Give the sampler the steps, the scheduler and the size of the inversion."),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model that draws all of them. Use it with the two outputs below."),
                io.Conditioning.Output(display_name="positive", tooltip="The prompts of all pictures; for the sampler's positive input."),
                io.Latent.Output(display_name="latent", tooltip="The batch: source, targets, next source, its targets. Each group starts from the same noise."),
                io.String.Output(display_name="words", tooltip="A table of which word took the place of which; connect Preview Any to read it."),
            ],
        )

    @classmethod
    def execute(cls, model, clip, latent, source, targets, mode, cross_replace, layout_start, layout_end, layout_layers, word_weights="", blend_words="", keep_words="",
                blend_threshold=0.3, blend_start=0.2, beside="", bank=None) -> io.NodeOutput:
        changed, others = ([line for line in text.splitlines() if line.strip()] for text in (targets, beside))
        if not changed:
            raise ConcordError("there is no target; write at least one changed prompt, one a line")
        texts = [source, *changed, *others]
        groups, read = len(latent["samples"]), [host().read_prompt(clip, text) for text in texts]
        original, *variants = (prompt.longer(max(p.chunks for p in read)) for prompt in read[: 1 + len(changed)])
        told = one_per_sample([host().encode_prompt(clip, text) for text in texts], groups, host().encode_prompt(clip, "")[0][0])
        name, window = mark((original, *variants)), (layout_start, layout_end)
        edits = prompt_to_prompt(original, variants, mode, groups, cross_replace, window, LAYERS[layout_layers], word_weights, name, len(others))
        blended, kept = ((*lanes_of(text, (original, *variants)), *[()] * len(others)) for text in (blend_words, keep_words))
        blend = local_blend(blended, kept, blend_threshold, start=blend_start, count=host().cross_attentions(model)[0], mark=name)
        follows = () if bank is None else (*follow_bank(bank, frozenset({"source"})), *start_at_bank(bank))
        model = host().attach(model, *edits, *blend, *follows, lanes=roles(groups, len(changed), beside=len(others)))
        positive = [[tokens, {**keys, WORDS: name}] for tokens, keys in told]
        return io.NodeOutput(model, positive, grouped(latent, len(texts)), report(original, variants, edits))
