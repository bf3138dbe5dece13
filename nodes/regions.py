from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..processors.errors import ConcordError
from ..processors.regions import masks
from ..processors.regions_text import from_boxes, parse, to_boxes
from ._api import io, ui

EXAMPLE = """[
  {"box": [0.05, 0.2, 0.45, 0.95], "words": "a red cat"},
  {"box": [0.55, 0.2, 0.95, 0.95], "words": "a blue dog"}
]"""


@dataclass(frozen=True)
class Background:
    """A preview that is shown behind the regions in their editor, and not once more below the node."""

    preview: Any

    def as_dict(self) -> dict[str, Any]:
        return {"background": self.preview.as_dict()["images"]}


class Regions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_Regions",
            display_name="Regions (Concord)",
            category="concord/space",
            description="Draws places of the picture and says what belongs there: boxes and polygons, each with words of the prompt or a prompt of its own.",
            search_aliases=["region editor", "bounding boxes", "bbox", "regional prompt", "area", "layout", "draw boxes", "GLIGEN boxes", "mask editor"],
            inputs=[
                io.String.Input("regions", default=EXAMPLE, multiline=True,
                                tooltip="The regions, which the editor draws. As text: a list with a \"box\": [left, top, right, bottom] or a \"polygon\": [[x, y], ..] for each, in fractions of "
                                        "the picture, and perhaps \"words\" of the main prompt, a \"prompt\" and a \"negative\" of its own, a \"strength\" and a \"curve\"."),
                io.Int.Input("width", default=1024, min=16, max=16384, step=8, tooltip="Width of the picture that will be drawn, in pixels: the shape of the editor, and the size of masks and boxes."),
                io.Int.Input("height", default=1024, min=16, max=16384, step=8, tooltip="Height of the picture that will be drawn, in pixels."),
                io.Image.Input("image", optional=True,
                               tooltip="A picture to draw the regions on: shown behind them, its middle where its shape is another. Load Image shows at once, other nodes after a run."),
                io.Custom("BOUNDING_BOX,BOUNDING_BOXES").Input(
                    "boxes", optional=True,
                    tooltip="Boxes of other nodes, such as ComfyUI's Create Bounding Boxes or a detector: further regions. They are in pixels of the image, where one is connected, else of "
                            "width and height."),
                io.String.Input("box_words", default="", multiline=True, optional=True, advanced=True,
                                tooltip="Words for these boxes, one line for each; without them, what the boxes say themselves."),
                io.Custom("CONCORD_REGIONS").Input("regions_before", optional=True, tooltip="Regions of another node, which come first."),
            ],
            outputs=[
                io.Custom("CONCORD_REGIONS").Output(display_name="regions", tooltip="All regions: those of regions_before, then the boxes, then what is drawn here. For Region Guidance."),
                io.Custom("BOUNDING_BOX").Output(display_name="boxes", tooltip="The box around each, in pixels of width and height, for ComfyUI's own nodes."),
                io.Mask.Output(display_name="masks", tooltip="One mask for each region, width x height."),
            ],
        )

    @classmethod
    def execute(cls, regions, width, height, image=None, boxes=None, box_words="", regions_before=()) -> io.NodeOutput:
        size = (width, height) if image is None else (image.shape[2], image.shape[1])
        found = (*(regions_before or ()), *from_boxes([] if boxes is None else boxes, *size, box_words.splitlines()), *parse(regions))
        if not found:
            raise ConcordError("there are no regions; draw one, or connect boxes or regions_before")
        shown = None if image is None else Background(ui.PreviewImage(image[:1], cls=cls))
        return io.NodeOutput(found, [to_boxes(found, width, height)], masks(found, (height, width)), ui=shown)
