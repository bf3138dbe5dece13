from __future__ import annotations

from ..processors.features.block_weights import parse_weights
from ..processors.features.controlnet import MODES, POSITIVE, UNION_TYPES, ControlResiduals, control_mask
from ..processors.rows import GIVERS
from ..processors.schedule import Curve
from ._api import host, io

CHOICE = dict(optional=True)  # workflows that were saved before these inputs were there still load
RARE = dict(optional=True, advanced=True)


class ApplyControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_ApplyControlNet",
            display_name="Apply ControlNet (Concord)",
            category="concord/control",
            description="Makes the picture follow a hint: outlines, depth, a pose or whatever the ControlNet was trained on. Chain several; each follows the windows of MultiDiffusion.",
            search_aliases=["controlnet", "control net", "ControlNetApplyAdvanced", "guide with outlines"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="What the picture should show."),
                io.Conditioning.Input("negative", tooltip="What it should not show."),
                io.ControlNet.Input("control_net", tooltip="The ControlNet or T2I-Adapter, of the same family as the model."),
                io.Image.Input("image", tooltip="The hint, as this ControlNet wants it (for outlines: white lines on black). One for all pictures, or one for each of the batch."),
                io.Float.Input("strength", default=1.0, min=0.0, max=10.0, step=0.01, tooltip="How strictly the picture follows the hint. 0 is off."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on the hint counts; 0 is the first step."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run; end earlier to let the model finish the details freely."),
                io.Vae.Input("vae", optional=True, tooltip="Only for ControlNets that take latents instead of pictures."),
                io.Combo.Input("mode", options=list(MODES), default="balanced", **CHOICE,
                               tooltip="Who wins where prompt and hint disagree. Prompt: the hint is softened, most of all in fine details. Control: the same, and only the positive prompt follows the hint, which drives the picture along it (guess mode; works with an empty prompt, too)."),
                io.String.Input("strength_curve", default="", placeholder="0:1, 0.5:0.2, 1:0", **CHOICE,
                                tooltip="Changes the strength during the run: part of the run, colon, factor. 0:1, 0.5:0.2, 1:0 starts in full, has faded to a fifth half way, and is silent at the end. Empty: the same all the time."),
                io.Mask.Input("mask", tooltip="Where the hint counts: white follows it, black is free, grey in between. It lies over the hint. One for all pictures, or one for each of the batch.", **CHOICE),
                io.Boolean.Input("positive_only", default=False, **CHOICE,
                                 tooltip="On: only the positive prompt gets the hint. The picture follows it more strongly, and the ControlNet has half the work."),
                io.Boolean.Input("apply_to_reference", default=True, **CHOICE,
                                 tooltip="Whether the picture that others are modelled on (the reference of StyleAligned, the source of an edit) follows the hint as well. Switch it off where that picture is given and must stay as it is. Without such a picture it makes no difference."),
                io.String.Input("block_weights", default="", multiline=False, **RARE,
                                tooltip="A factor for each place where the ControlNet speaks to the model, with commas between: 13 numbers for SD 1.x, 10 for SDXL. The first ones carry fine details, the later ones the composition; the last is the middle of the model. Empty: 1 everywhere."),
                io.Boolean.Input("global_pooling", default=False, **RARE,
                                 tooltip="On for shuffle ControlNets: they say what the picture should be like, not where. Best with positive_only. Off for all others."),
                io.Combo.Input("union_type", options=["auto", *UNION_TYPES], default="auto", **RARE,
                               tooltip="For union ControlNets: what the hint is. Auto leaves it as it is set, or lets the ControlNet find out."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive prompt with the hint."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative prompt with the hint."),
            ],
        )

    @classmethod
    def execute(cls, positive, negative, control_net, image, strength, start_percent, end_percent, vae=None, mode="balanced", strength_curve="", mask=None,
                positive_only=False, apply_to_reference=True, block_weights="", global_pooling=False, union_type="auto") -> io.NodeOutput:
        settings = {**MODES[mode], **({"branches": POSITIVE} if positive_only else {})}
        edit = ControlResiduals(strength=strength, window=(start_percent, end_percent), curve=Curve.parse(strength_curve), blocks=parse_weights(block_weights),
                                mask=control_mask(mask), lanes=() if apply_to_reference else tuple((lane, 0.0) for lane in GIVERS), pooled=global_pooling,
                                **settings)
        return io.NodeOutput(*host().apply_control(positive, negative, control_net, image, edit, vae, union_type))
