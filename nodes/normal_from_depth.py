from __future__ import annotations

from ..processors.images.gradients import grey
from ..processors.images.normals import normals
from ._api import io
from ._hint import CATEGORY, hint, picture, shown


class NormalFromDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_NormalFromDepth",
            display_name="Normals from Depth (Concord)",
            category=CATEGORY,
            description="Turns a depth picture into a normal map, which shows where surfaces face: the hint of normal ControlNets. Red is left, green is up, blue is towards you.",
            search_aliases=["normal map", "BAE-NormalMapPreprocessor", "MiDaS-NormalMapPreprocessor", "normalbae", "normals", "preprocessor"],
            inputs=[
                picture("A depth picture, white is near: from Depth, or rendered. The hint has the same size."),
                io.Float.Input("strength", default=1.0, min=0.0, max=20.0, step=0.05, tooltip="How deep the scene is taken to be. More makes slopes steeper and colours stronger; 0 is flat."),
                io.Float.Input("background", default=0.1, min=0.0, max=1.0, step=0.01, tooltip="Whatever is darker than this in the depth picture counts as a flat background. 0 keeps everything."),
                io.Float.Input("smooth", default=2.0, min=0.0, max=16.0, step=0.1, tooltip="Smooths the depth first, by so many pixels, since pictures have only 256 steps of it. 0 is off."),
            ],
            outputs=[hint("A normal map, for normal ControlNets.")],
        )

    @classmethod
    def execute(cls, image, strength, background, smooth) -> io.NodeOutput:
        return shown(cls, image, lambda pictures: normals(grey(pictures), strength, background, smooth))
