from __future__ import annotations

from ..processors.images.hough_lines import LineSettings, hough_lines
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class HoughLines(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_HoughLines",
            display_name="Straight Lines (Concord)",
            category=CATEGORY,
            description="Finds the straight lines of a picture and leaves out everything else: the hint of MLSD ControlNets, for rooms and buildings. Needs no model.",
            search_aliases=["mlsd", "M-LSDPreprocessor", "MLSDPreprocessor", "hough", "straight lines", "architecture", "preprocessor"],
            inputs=[
                picture(),
                io.Int.Input("contrast", default=80, min=1, max=2040, step=1, tooltip="How strong an edge must be to count. Lower it to find fainter lines."),
                io.Int.Input("min_length", default=30, min=4, max=4096, step=1, tooltip="Shorter lines are left out, in pixels. Raise it to keep only the large lines of a room."),
                io.Int.Input("max_gap", default=4, min=0, max=256, step=1, tooltip="Gaps of up to so many pixels are drawn through."),
                io.Float.Input("score", default=0.7, min=0.0, max=1.0, step=0.01, tooltip="How much of a line must really be an edge. Lower it for broken lines, raise it against chance ones."),
                io.Int.Input("line_width", default=1, min=1, max=32, step=1, tooltip="How thick lines are drawn, in pixels. Take 2 for pictures of 1024 pixels and more."),
            ],
            outputs=[hint("White straight lines on black, for MLSD ControlNets.")],
        )

    @classmethod
    def execute(cls, image, contrast, min_length, max_gap, score, line_width) -> io.NodeOutput:
        settings = LineSettings(contrast, min_length, max_gap, score)
        return shown(cls, image, lambda pictures: hough_lines(pictures, settings, line_width))
