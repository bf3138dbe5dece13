from __future__ import annotations

from ..processors.attention.style_aligned import reference_lane, shared_layers, style_aligned
from ..processors.latents.follow import follow_bank
from ..processors.views import Frame
from ._api import host, io

ADAIN = {"queries and keys": "qk", "queries, keys and values": "qkv", "off": ""}
PANORAMA = {"the same place of the reference": False, "all of a reference of its own": True}
LATER = dict(optional=True)  # workflows that were saved before these inputs were there still load
REFERENCE = frozenset({"reference"})


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
                io.Boolean.Input("share_group_norm", default=False, **LATER,
                                 tooltip="On: contrast and colours of all layers are brought towards the reference, too. The authors do so with a real picture as the reference; best off with ControlNets."),
                io.Float.Input("own_layers", default=0.0, min=0.0, max=1.0, step=0.05, **LATER,
                               tooltip="The part of the layers, spread evenly, in which each picture looks at itself alone. 0: none. More loosens the style and frees the content."),
                io.Boolean.Input("full_sharing", default=False, **LATER,
                                 tooltip="On: every picture looks at every other one, in place of the four settings above. The reference changes, too, and memory grows with the square of the batch."),
                io.Custom("CONCORD_BANK").Input("bank", tooltip="A real picture as the reference: the bank of DDIM Inversion. Give the sampler the steps, the scheduler and the size of the inversion.", **LATER),
                io.Float.Input("bank_hold", default=0.1, min=0.0, max=0.9, step=0.01, **LATER,
                               tooltip="For a bank: in the first part of the run the reference is shown as it is at the end of that part, so that its form is there from the beginning. The authors take 0.1."),
                io.Combo.Input("panorama", options=list(PANORAMA), default=next(iter(PANORAMA)), **LATER,
                               tooltip="With MultiDiffusion: what a window looks at. A reference of its own is a picture of one window's size that all windows see in whole, as in the paper."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model that shares the style. Use it with any sampler.")],
        )

    @classmethod
    def execute(cls, model, share_attention, adain, reference_scale, shift, reference, start_percent, end_percent, share_group_norm=False, own_layers=0.0,
                full_sharing=False, bank=None, bank_hold=0.1, panorama=next(iter(PANORAMA))) -> io.NodeOutput:
        layers = shared_layers(host().cross_attentions(model)[0], own_layers) if own_layers else None
        edits = style_aligned(share_attention, ADAIN[adain], reference_scale, shift, (start_percent, end_percent), layers, share_group_norm, full_sharing)
        follows = () if bank is None else follow_bank(bank, REFERENCE, bank_hold)
        frame = (Frame(),) if PANORAMA[panorama] else ()
        return io.NodeOutput(host().attach(model, *edits, *follows, *frame, lanes=reference_lane(reference)))
