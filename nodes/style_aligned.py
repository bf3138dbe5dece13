from __future__ import annotations

from ..processors.attention.style_aligned import reference_lane, style_aligned
from ._api import host, io

ADAIN = {"queries and keys": "qk", "queries, keys and values": "qkv", "off": ""}


class StyleAligned(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_StyleAligned",
            display_name="StyleAligned (Concord)",
            category="concord/attention",
            description="All pictures of a batch take over the style of one of them, the reference: its colours, materials and manner, not its content.",
            search_aliases=["style aligned", "shared attention", "consistent style", "StyleAlignedBatchAlign"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws the batch. Set the batch size of the empty latent to 2 or more."),
                io.Boolean.Input("share_attention", default=True,
                                 tooltip="On: every picture also looks at the reference while it is drawn. This is what carries the style. Off: it does not."),
                io.Combo.Input("adain", options=list(ADAIN), default="queries and keys",
                               tooltip="Brings the pictures into the reference's range before they look at it. Queries and keys is the paper's choice; with values "
                                       "colours follow more strongly; off loosens the style."),
                io.Float.Input("reference_scale", default=1.0, min=0.0, max=2.0, step=0.05,
                               tooltip="How sharply the pictures look at the reference. 1 is the paper's; lower it when the reference's content shows through."),
                io.Float.Input("shift", default=0.0, min=-5.0, max=5.0, step=0.05,
                               tooltip="Weight of the reference against the picture itself. 0: both alike. 0.7 about doubles the reference's share, -0.7 halves it."),
                io.Int.Input("reference", default=0, min=0, max=4095,
                             tooltip="Which picture of the batch is the reference, counted from 0. It comes out as if it were drawn alone."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on the style is shared; 0 is the first step."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run; end earlier to free the last details."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model that shares the style. Use it with any sampler.")],
        )

    @classmethod
    def execute(cls, model, share_attention, adain, reference_scale, shift, reference, start_percent, end_percent) -> io.NodeOutput:
        edits = style_aligned(share_attention, ADAIN[adain], reference_scale, shift, (start_percent, end_percent))
        return io.NodeOutput(host().attach(model, *edits, lanes=reference_lane(reference)))
