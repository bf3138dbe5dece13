from __future__ import annotations

from ..processors.images.tile import tile_hint
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class TileHint(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_TileHint",
            display_name="Tile Hint (Concord)",
            category=CATEGORY,
            description="Takes the fine details out of a picture and keeps its size: the hint of tile ControlNets, which draw new details in their place.",
            search_aliases=["tile", "TilePreprocessor", "tile resample", "blur", "upscale", "preprocessor"],
            inputs=[
                picture(),
                io.Float.Input("factor", default=4.0, min=1.0, max=64.0, step=0.5,
                               tooltip="Details smaller than so many pixels are gone. 1 changes nothing; 2 for repairs, 8 for much freedom."),
            ],
            outputs=[hint("The picture without its details, for tile ControlNets.")],
        )

    @classmethod
    def execute(cls, image, factor) -> io.NodeOutput:
        return shown(cls, image, lambda pictures: tile_hint(pictures, factor))
