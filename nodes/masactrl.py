from __future__ import annotations

from ..processors.attention.layer_ranges import parse_ranges
from ..processors.attention.masactrl import DECODER, VARIANTS, masactrl
from ..processors.attention.word_foreground import read_words
from ..processors.conditions.lanes import grouped, one_per_sample, roles
from ..processors.errors import ConcordError
from ..processors.latents.follow import follow_bank, start_at_bank
from ._api import host, io

BRANCHES = {"both": None, "positive only": frozenset({"positive"})}
SOURCE = frozenset({"source"})


class MasaCtrl(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_MasaCtrl",
            display_name="MasaCtrl (Concord)",
            category="concord/attention",
            description="Draws a picture and another one of the same thing, differently posed or placed: the second follows its own prompt's layout, with the things and looks of the first.",
            search_aliases=["masactrl", "mutual self attention", "consistent subject", "non-rigid editing", "change pose"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws."),
                io.Conditioning.Input("source", tooltip="The prompt of the first picture, the source."),
                io.Conditioning.Input("target", tooltip="The prompt of the second picture, the target: the same things, in another pose or place."),
                io.Latent.Input("latent", tooltip="An empty latent, or a picture for image to image. Each picture of its batch becomes a source and a target."),
                io.Combo.Input("variant", options=list(VARIANTS), default="plain",
                               tooltip="Plain: the target only looks at the source. Union: at the source and at itself. Masks: foreground looks at foreground, background at background, "
                                       "by the masks below. Words: the same, by where the words below are found."),
                io.Float.Input("start_percent", default=0.08, min=0.0, max=1.0, step=0.001,
                               tooltip="From which part of the run on the target looks at the source. Before that it finds its layout. The authors begin with step 4 of 50, 0.08."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run; end earlier to leave the details to the target's prompt."),
                io.Combo.Input("branches", options=list(BRANCHES), default="both",
                               tooltip="Both: the positive and the negative side look at the source, as in the paper. Positive only follows it more loosely."),
                io.String.Input("layers", default="", placeholder="10-15", optional=True,
                                tooltip="The layers that look at the source: 10-15 or 4, 7-9, counted from the first. Empty: the authors' for SD 1.x, 10-15; 64-69 for SDXL, whose "
                                        "authors also try 54-69 and 44-69. Earlier layers keep more of the source's layout."),
                io.Mask.Input("source_mask", optional=True, tooltip="For masks: where the thing is in the source. White is foreground. One for all pictures, or one for each."),
                io.Mask.Input("target_mask", optional=True, tooltip="For masks: where the thing is to be in the target."),
                io.Clip.Input("clip", optional=True, tooltip="For words, and for prompts of different lengths: the text encoder of the same checkpoint."),
                io.String.Input("source_text", default="", multiline=True, optional=True, tooltip="For words: the text of the source's prompt again."),
                io.String.Input("target_text", default="", multiline=True, optional=True, tooltip="For words: the text of the target's prompt again."),
                io.String.Input("source_words", default="", optional=True, tooltip="For words: what is foreground in the source, as it is called in its text: dog, or dog, red ball."),
                io.String.Input("target_words", default="", optional=True, tooltip="For words: what is foreground in the target. Empty: the same words."),
                io.Float.Input("threshold", default=0.1, min=0.0, max=1.0, step=0.01, optional=True,
                               tooltip="For words: how much a place must be looked at to be foreground. The authors take 0.1; higher makes the foreground smaller."),
                io.Conditioning.Input("beside", optional=True, tooltip="The prompt of a third picture of each group that takes no part: a reference for StyleAligned, for instance."),
                io.Custom("CONCORD_BANK").Input("bank", optional=True, tooltip="A real picture as the source: the bank of DDIM Inversion. Give the sampler the steps, the scheduler and the size of the inversion."),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model that draws both. Use it with the two outputs below."),
                io.Conditioning.Output(display_name="positive", tooltip="The prompts of all pictures; for the sampler's positive input, or first for a ControlNet."),
                io.Latent.Output(display_name="latent", tooltip="The batch: source, target, next source, its target. Both of a pair start from the same noise."),
            ],
        )

    @classmethod
    def execute(cls, model, source, target, latent, variant, start_percent, end_percent, branches, layers="", source_mask=None, target_mask=None, clip=None,
                source_text="", target_text="", source_words="", target_words="", threshold=0.1, beside=None, bank=None) -> io.NodeOutput:
        prompts = [source, target, *([] if beside is None else [beside])]
        count, groups = host().cross_attentions(model)[0], len(latent["samples"])
        if not layers.strip() and count not in DECODER:
            raise ConcordError(f"which layers follow the source is known for models with 16 or 70 of them, this one has {count}; write them into layers, such as {count // 2}-{count - 1}")
        sites = parse_ranges(layers, count) if layers.strip() else DECODER[count]
        positive = one_per_sample(prompts, groups, None if clip is None else host().encode_prompt(clip, "")[0][0])
        masks = None if source_mask is None or target_mask is None else (source_mask, target_mask)
        maps = None
        if variant == "words":
            if clip is None:
                raise ConcordError("to find words MasaCtrl needs the text encoder; connect clip")
            read = [host().read_prompt(clip, text) for text in (source_text, target_text)]
            maps, positive = read_words(read, (source_words, target_words), count, positive, len(prompts) - 2)
        edits = masactrl(variant, (start_percent, end_percent), sites, branches=BRANCHES[branches], masks=masks, maps=maps, threshold=threshold)
        follows = () if bank is None else (*follow_bank(bank, SOURCE), *start_at_bank(bank))
        lanes = roles(groups, 1, beside=len(prompts) - 2)
        return io.NodeOutput(host().attach(model, *edits, *follows, lanes=lanes), positive, grouped(latent, len(prompts)))
