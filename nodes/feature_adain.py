from __future__ import annotations

from ..processors.attention.adain import FEATURES, feature_adain
from ..processors.attention.layer_ranges import parse_ranges
from ..processors.attention.style_aligned import reference_lane
from ..processors.latents.follow import follow_bank
from ..processors.statistics import MODES
from ._api import host, io

REFERENCE = frozenset({"reference"})


class FeatureAdaIN(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_FeatureAdaIN",
            display_name="Feature AdaIN (Concord)",
            category="concord/attention",
            description="While a batch is drawn, features inside the model get the statistics that one picture of the batch, the reference, has there: its tones and textures pass on, not its forms.",
            search_aliases=["adain", "feature statistics", "style transfer", "adaptive instance normalization", "AdaIN attention"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws the batch. Set the batch size of the empty latent to 2 or more."),
                io.Combo.Input("features", options=list(FEATURES), default="values",
                               tooltip="What is aligned. Values carry colours and textures. Keys and queries decide who looks where. The outputs of the attention are the strongest, and change forms, too."),
                io.Combo.Input("mode", options=list(MODES), default=MODES[0], tooltip="Mean and deviation: all of AdaIN. Mean: the overall tone alone, gentler. Deviation: the contrast alone."),
                io.Float.Input("strength", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="How far the features go to the reference's. 0 is off."),
                io.Int.Input("reference", default=0, min=0, max=4095, tooltip="Which picture of the batch is the reference, counted from 0. It comes out as if it were drawn alone."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on; 0 is the first step."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run; end earlier to free the last details."),
                io.String.Input("layers", default="", placeholder="10-15", optional=True,
                                tooltip="In which layers: 10-15 or 4, 7-9, counted from the first (SD 1.x has 16, SDXL 70). Empty: in all. Late ones carry colours, those in the middle composition."),
                io.Mask.Input("mask", optional=True, tooltip="Where the pictures are changed: white is all, black is none. One for all pictures of the batch, or one for each."),
                io.Mask.Input("reference_mask", optional=True, tooltip="Which part of the reference counts."),
                io.Custom("CONCORD_BANK").Input("bank", optional=True, tooltip="A real picture as the reference: the bank of DDIM Inversion. Give the sampler the steps, the scheduler and the size of the inversion."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model that aligns its features. Use it with any sampler.")],
        )

    @classmethod
    def execute(cls, model, features, mode, strength, reference, start_percent, end_percent, layers="", mask=None, reference_mask=None, bank=None) -> io.NodeOutput:
        sites = parse_ranges(layers, host().cross_attentions(model)[0]) if layers.strip() else None
        edits = feature_adain(features, mode, strength, (start_percent, end_percent), sites, mask, reference_mask)
        follows = () if bank is None else follow_bank(bank, REFERENCE)
        return io.NodeOutput(host().attach(model, *edits, *follows, lanes=reference_lane(reference)))
