from __future__ import annotations

from ..processors.attention.attention_maps import MASKS, RESOLUTIONS, SCALES, check_latent, heat, masks, phrases
from ..processors.errors import ConcordError
from ..processors.images.heat import overlaid
from ._api import io


class ShowAttentionMaps(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_ShowAttentionMaps",
            display_name="Show Attention Maps (Concord)",
            category="concord/attention",
            description="Draws where the model looked for each word: as colours, alone or over the picture, and as masks, for inpainting or regional prompts.",
            search_aliases=["DAAM", "attention heatmap", "heat map", "word mask", "attention to mask", "prompt to mask"],
            inputs=[
                io.Custom("CONCORD_MAPS").Input("maps", tooltip="From Attention Maps."),
                io.Latent.Input("latent", tooltip="What came out of the sampler that ran the watched model: this node then waits for it and knows the size."),
                io.String.Input("words", default="", tooltip="The words to show, with commas between, of those that Attention Maps has watched. Empty: all of them."),
                io.Combo.Input("resolution", options=list(RESOLUTIONS), default="all",
                               tooltip="Which layers are shown. All: the mean of them all. Coarse: where things are. Middle: their shape. Fine: their edges and textures."),
                io.Combo.Input("scale", options=list(SCALES), default="each word",
                               tooltip="What the brightest colour stands for. Each word: the place where that word is looked at most. All words together: the most of all words, so that they "
                                       "can be compared. Share of the words: how much of what all shown words get at a place goes to this one."),
                io.Float.Input("threshold", default=0.4, min=0.0, max=1.0, step=0.01, tooltip="The mask is where the heat is above this. Lower it for larger masks."),
                io.Combo.Input("mask", options=list(MASKS), default="above the threshold",
                               tooltip="Above the threshold: masks of several words may overlap. Strongest word: each place belongs to the one word that has most of it there."),
                io.Image.Input("image", optional=True, tooltip="The decoded picture, to lay the heat over. Without it the heat is shown alone."),
                io.Float.Input("opacity", default=0.6, min=0.0, max=1.0, step=0.01, optional=True, tooltip="How strongly the heat covers the picture. 1: the heat alone."),
            ],
            outputs=[
                io.Image.Output(display_name="heat", tooltip="One picture for each picture of the batch and each word: all words of the first picture, then those of the second."),
                io.Mask.Output(display_name="mask", tooltip="The same as masks, in the same order: white is where the word is."),
            ],
        )

    @classmethod
    def execute(cls, maps, latent, words, resolution, scale, threshold, mask, image=None, opacity=0.6) -> io.NodeOutput:
        samples = latent["samples"]
        check_latent(maps, samples)
        if image is not None and len(image) not in (1, len(samples)):
            raise ConcordError(f"there are {len(image)} pictures for {len(samples)} latents; connect the decoded batch, or one picture for all")
        size = (8 * samples.shape[-2], 8 * samples.shape[-1]) if image is None else tuple(image.shape[1:3])
        found = heat(maps, phrases(words) or maps.words, size, resolution, scale)
        under = found.new_zeros(1, 1, *size, 3) if image is None else image[:, None, ..., :3].to(found)
        shown = overlaid(found, under, 1.0 if image is None else opacity)
        return io.NodeOutput(shown.flatten(0, 1), masks(found, threshold, mask).flatten(0, 1))
