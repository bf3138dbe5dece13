from __future__ import annotations

from ..processors.attention.decoupled import VALUE_SCALINGS
from ..processors.attention.image_prompt import WEIGHT_TYPES, image_prompt
from ..processors.schedule import Curve
from ._api import host, io
from ._image_tokens import image_tokens, masks, opened, pooled

COMBINE = {"concat": "concatenate", "average": "average", "norm average": "norm average", "add": "add", "subtract": "subtract", "one per picture": "batch"}
CROPS = {"center": True, "squash": False}


class DecoupledCrossAttn(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_DecoupledCrossAttn",
            display_name="Decoupled Cross-Attention (Concord)",
            category="concord/attention",
            description="A picture as a prompt (IP-Adapter): the model looks at it beside the words, in an attention of its own. For style, composition, faces or a whole picture.",
            search_aliases=["ip-adapter", "ipadapter", "IPAdapterAdvanced", "image prompt", "style transfer", "InstantStyle", "reference image"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws."),
                io.Custom("CONCORD_ADAPTER,IPADAPTER").Input("adapter", tooltip="The image adapter, of the same family as the model. Sockets of other IP-Adapter packs fit too."),
                io.Image.Input("image", tooltip="What the model should see. Several pictures: see combine."),
                io.Float.Input("weight", default=1.0, min=-1.0, max=5.0, step=0.05, tooltip="How much the picture counts beside the words. 0 is off; 0.5 to 0.8 leaves room for the prompt."),
                io.Combo.Input("weight_type", options=list(WEIGHT_TYPES), default="linear",
                               tooltip="Where in the model the picture counts. Linear: everywhere alike. Style transfer: its look only. Composition: its layout only. The others shift the weight "
                                       "between the beginning, middle and end of the network."),
                io.Combo.Input("combine", options=list(COMBINE), default="concat",
                               tooltip="What becomes of several pictures. Concat: all are seen. Average, add, subtract: they are mixed into one. One per picture: each picture of the batch follows its own."),
                io.Combo.Input("embeds_scaling", options=list(VALUE_SCALINGS), default="V only",
                               tooltip="What the weight multiplies. V only is the authors' way; with K+V the picture also decides where it is looked at, which follows the prompt more closely."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on the picture counts; 0 is the first step."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run; end earlier to leave the details to the words."),
                io.ClipVision.Input("clip_vision", optional=True, tooltip="The CLIP Vision model that the adapter was trained with: ViT-H for most, ViT-bigG for ip-adapter_sdxl and vit-G. The practice adapter brings its own."),
                io.Image.Input("image_negative", optional=True, tooltip="What the negative side sees, for instance noise or a look to avoid. Without it: nothing, as the authors trained it."),
                io.Mask.Input("mask", optional=True, tooltip="Where the picture counts: white is all, black is not at all. Any size; one for all pictures, or one for each of the batch."),
                io.String.Input("weight_curve", default="", optional=True, tooltip="The weight over the run, as part of the run and factor: 0:1, 0.5:0.2, 1:0. Empty: level."),
                io.String.Input("layer_weights", default="", optional=True,
                                tooltip="A weight for single blocks, in place of weight_type: 3:0.5, 6:1 (block number and weight; SDXL has 0 to 10, Stable Diffusion 1.x 0 to 15). Blocks that are not named get none."),
                io.Conditioning.Input("subtract_text", optional=True,
                                      tooltip="Words for what the picture shows; they are taken off it, so that its style stays (InstantStyle). For base adapters, with the text encoder of the same CLIP: SDXL's for ViT-bigG."),
                io.Float.Input("subtract_amount", default=1.0, min=0.0, max=2.0, step=0.05, optional=True, tooltip="How much of the words is taken off. 0 is off; the authors use 1 for SDXL and 0.8 for Stable Diffusion 1.5."),
                io.Combo.Input("crop", options=list(CROPS), default="center", optional=True, tooltip="The vision model sees a square. Center: the middle of the picture. Squash: all of it, pressed into a square."),
                io.Float.Input("composition_weight", default=1.0, min=0.0, max=5.0, step=0.05, optional=True,
                               tooltip="A factor for one side of three weight types. Style and composition: how much the composition counts. The precise ones: how hard the other side is pushed away."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model that sees the picture. Use it with any sampler.")],
        )

    @classmethod
    def execute(cls, model, adapter, image, weight, weight_type, combine, embeds_scaling, start_percent, end_percent, clip_vision=None, image_negative=None,
                mask=None, weight_curve="", layer_weights="", subtract_text=None, subtract_amount=1.0, crop="center", composition_weight=1.0) -> io.NodeOutput:
        adapter, vision = opened(adapter, clip_vision)
        adapter.check_model(*host().cross_attentions(model))
        text = None if subtract_text is None else pooled(subtract_text)
        tokens, negative = image_tokens(adapter, vision, image, image_negative=image_negative, combine=COMBINE[combine], crop=CROPS[crop], text=text, amount=subtract_amount)
        edits = image_prompt(tokens, negative, adapter, weight=weight, weight_type=weight_type, layers=layer_weights, composition=composition_weight,
                             curve=Curve.parse(weight_curve), mask=masks(mask), value_scaling=embeds_scaling, window=(start_percent, end_percent))
        return io.NodeOutput(host().attach(model, *edits))
