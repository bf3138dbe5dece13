from __future__ import annotations

from functools import partial

from ..processors.images.gradients import grey
from ..processors.images.scribble import outlines, scribble
from ._api import io
from ._hint import CATEGORY, hint, picture, shown

SOURCES = {"a picture": True, "a soft edge map": False}


class Scribble(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_Scribble",
            display_name="Scribble (Concord)",
            category=CATEGORY,
            description="Draws a picture's outlines as a few thick strokes, as with a marker: the hint of scribble ControlNets, which leave the rest to the prompt.",
            search_aliases=["scribble", "ScribblePreprocessor", "FakeScribblePreprocessor", "Scribble_XDoG_Preprocessor", "sketch", "doodle", "preprocessor"],
            inputs=[
                picture("A picture, or the soft edge map of one. The hint has the same size."),
                io.Combo.Input("source", options=list(SOURCES), default="a picture", tooltip="What comes in. A map from Soft Edges gives the best strokes; from a picture no model is needed."),
                io.Float.Input("smoothness", default=2.0, min=0.0, max=16.0, step=0.1, tooltip="How far strokes are rounded, in pixels. More is simpler. Double it for pictures of 1024 pixels."),
                io.Float.Input("threshold", default=0.4, min=0.0, max=1.0, step=0.01, tooltip="Weaker edges are left out. Lower it for more strokes."),
                io.Float.Input("thickness", default=4.0, min=1.0, max=64.0, step=0.5, tooltip="How thick strokes are, in pixels."),
                io.Int.Input("min_length", default=32, min=1, max=4096, step=1, tooltip="Shorter strokes are left out, in pixels."),
            ],
            outputs=[hint("White strokes on black, for scribble ControlNets and sketch adapters.")],
        )

    @classmethod
    def execute(cls, image, source, smoothness, threshold, thickness, min_length) -> io.NodeOutput:
        soft = partial(outlines, sigma=smoothness) if SOURCES[source] else grey
        return shown(cls, image, lambda pictures: scribble(soft(pictures), smoothness, threshold, thickness, min_length))
