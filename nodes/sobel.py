from __future__ import annotations

from ..processors.images.sobel import sobel_map
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class Sobel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_Sobel",
            display_name="Sobel Edges (Concord)",
            category=CATEGORY,
            description="A soft edge map without a model: every edge in the grey of its strength. For soft-edge ControlNets when no edge network is at hand.",
            search_aliases=["sobel", "soft edge", "softedge", "gradient", "edge map", "preprocessor"],
            inputs=[
                picture(),
                io.Float.Input("blur", default=1.0, min=0.0, max=16.0, step=0.1, tooltip="Softens the picture first, by so many pixels, so that grain gives no edges. 0 is off."),
                io.Float.Input("gain", default=3.0, min=0.0, max=20.0, step=0.1, tooltip="How bright edges are. At 1 only a sharp step from black to white is white."),
            ],
            outputs=[hint("Soft white edges on black, for soft-edge ControlNets.")],
        )

    @classmethod
    def execute(cls, image, blur, gain) -> io.NodeOutput:
        return shown(cls, image, lambda pictures: sobel_map(pictures, blur, gain))
