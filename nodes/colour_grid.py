from __future__ import annotations

from ..processors.images.colour_grid import colour_grid
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class ColourGrid(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_ColourGrid",
            display_name="Colour Grid (Concord)",
            category=CATEGORY,
            description="Turns a picture into a coarse grid of its colours: the hint of the colour adapter, which gives the palette and its places without any shapes.",
            search_aliases=["color", "colour", "ColorPreprocessor", "palette", "t2i adapter color", "mosaic", "pixelate", "preprocessor"],
            inputs=[
                picture(),
                io.Int.Input("cell", default=64, min=2, max=1024, step=1, tooltip="Size of a cell in pixels. The colour adapter was trained with 64."),
            ],
            outputs=[hint("A grid of colours, for colour adapters.")],
        )

    @classmethod
    def execute(cls, image, cell) -> io.NodeOutput:
        return shown(cls, image, lambda pictures: colour_grid(pictures, cell))
