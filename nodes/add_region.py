from __future__ import annotations

from ..processors.errors import ConcordError
from ..processors.regions import Region
from ..processors.schedule import Curve
from ._api import io

REGIONS = io.Custom("CONCORD_REGIONS")


class AddRegion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_AddRegion",
            display_name="Region (Concord)",
            category="concord/space",
            description="One region of the picture, a box or a mask, with what belongs there. Chain several, or add to those of Regions.",
            search_aliases=["region", "bounding box", "mask region", "regional prompt", "area"],
            inputs=[
                io.Float.Input("x", default=0.0, min=-4.0, max=4.0, step=0.01, tooltip="Left edge of the box, as a part of the picture's width: 0 is the left edge, 0.5 the middle."),
                io.Float.Input("y", default=0.0, min=-4.0, max=4.0, step=0.01, tooltip="Upper edge of the box, as a part of the picture's height."),
                io.Float.Input("width", default=0.5, min=0.0, max=8.0, step=0.01, tooltip="Width of the box, as a part of the picture's; it may reach beyond the edge."),
                io.Float.Input("height", default=1.0, min=0.0, max=8.0, step=0.01, tooltip="Height of the box, as a part of the picture's."),
                io.String.Input("words", default="", tooltip="Words of the main prompt that belong here, with commas between: red cat, collar. For all modes but region prompts."),
                io.String.Input("prompt", multiline=True, default="", tooltip="A prompt of this region's own, for region prompts: a red cat with a collar."),
                io.Float.Input("strength", default=1.0, min=-2.0, max=10.0, step=0.05, tooltip="How much this region counts. 1 is normal, 0 is off. Where regions overlap the stronger one has more."),
                io.String.Input("negative", multiline=True, default="", optional=True, tooltip="What is not wanted here, for region prompts. Empty: the main negative prompt."),
                io.String.Input("curve", default="", optional=True, tooltip="The strength over the run, as part of the run and factor: 0:1, 0.5:0.2, 1:0. Empty: level."),
                io.Mask.Input("mask", optional=True, tooltip="The region's place in the stead of the box: white is inside. Any size."),
                io.Conditioning.Input("conditioning", optional=True, tooltip="The region's prompt, encoded already; in the stead of the text."),
                io.Conditioning.Input("negative_conditioning", optional=True, tooltip="The region's negative prompt, encoded already; in the stead of the text."),
                REGIONS.Input("regions", optional=True, tooltip="Regions that this one is added to."),
            ],
            outputs=[REGIONS.Output(display_name="regions", tooltip="All regions so far; for Region Guidance, or for the next Region.")],
        )

    @classmethod
    def execute(cls, x, y, width, height, words, prompt, strength, negative="", curve="", mask=None, conditioning=None, negative_conditioning=None, regions=()) -> io.NodeOutput:
        told = {"words": words, "prompt": prompt.strip() if conditioning is None else conditioning,
                "negative": negative.strip() if negative_conditioning is None else negative_conditioning}
        if mask is not None and mask.ndim == 3 and len(mask) != 1:
            raise ConcordError(f"a region has one mask, but {len(mask)} came; choose one of them")
        place = {"box": (x, y, x + width, y + height)} if mask is None else {"mask": mask.reshape(mask.shape[-2:])}
        return io.NodeOutput((*(regions or ()), Region(**place, **told, strength=strength, curve=Curve.parse(curve))))
