from __future__ import annotations

from ..processors.images.high_frequency import high_frequency
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class HighFrequency(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_HighFrequency",
            display_name="High-Frequency Map (Concord)",
            category=CATEGORY,
            description="Keeps a picture's details in their own colours and makes everything even black, as AnyDoor shows an object to its ControlNet.",
            search_aliases=["high frequency", "AnyDoor", "detail map", "coloured edges", "preprocessor"],
            inputs=[
                picture(),
                io.Int.Input("threshold", default=50, min=0, max=255, step=1, tooltip="Details weaker than this become black. 50 is the authors'. Lower it for more detail."),
            ],
            outputs=[hint("Coloured details on black.")],
        )

    @classmethod
    def execute(cls, image, threshold) -> io.NodeOutput:
        return shown(cls, image, lambda pictures: high_frequency(pictures, threshold))
