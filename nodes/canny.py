from __future__ import annotations

from ..processors.images.canny import canny
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class Canny(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_Canny",
            display_name="Canny Edges (Concord)",
            category=CATEGORY,
            description="Thin white lines along every clear edge: the hint of Canny ControlNets, with the thresholds that everybody knows.",
            search_aliases=["canny", "CannyEdgePreprocessor", "edges", "outline", "line art", "preprocessor"],
            inputs=[
                picture(),
                io.Int.Input("low_threshold", default=100, min=0, max=2040, step=1, tooltip="Edges weaker than this are left out. Lower it for more lines."),
                io.Int.Input("high_threshold", default=200, min=0, max=2040, step=1,
                             tooltip="Edges stronger than this always stay; what lies between both thresholds stays where it goes on from such an edge. Lower it for more lines."),
            ],
            outputs=[hint("White lines on black, for Canny ControlNets.")],
        )

    @classmethod
    def execute(cls, image, low_threshold, high_threshold) -> io.NodeOutput:
        return shown(cls, image, lambda pictures: canny(pictures, low_threshold, high_threshold))
