from __future__ import annotations

from ..practice.choice import PICTURES, choose
from ..practice.world import BACKGROUNDS, COLOURS, LIGHTS, PLACES, SHAPES, TEXTURES, caption
from ._api import io


class PracticeScene(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_PracticeScene",
            display_name="Practice Scene (Concord)",
            category="concord/practice",
            description="Draws a picture of the practice world with its outline, mask and caption: ready input for every practice workflow, no files needed.",
            search_aliases=["practice picture", "test image", "outline", "example scene"],
            inputs=[
                io.Combo.Input("picture", options=list(PICTURES), default="one object", tooltip="One or two objects, a wide scene, or objects drawn at random from the seed."),
                io.Combo.Input("shape", options=list(SHAPES), default="star", tooltip="Shape of the object."),
                io.Combo.Input("colour", options=list(COLOURS), default="red", tooltip="Colour of the object, or of a pattern such as bricks."),
                io.Combo.Input("texture", options=list(TEXTURES), default="solid", tooltip="How the object is filled."),
                io.Combo.Input("place", options=list(PLACES), default="center", tooltip="Where the object stands. A second one stands opposite."),
                io.Combo.Input("second_shape", options=list(SHAPES), default="circle", tooltip="Shape of the second object, if there are two."),
                io.Combo.Input("second_colour", options=list(COLOURS), default="green", tooltip="Colour of the second object."),
                io.Combo.Input("second_texture", options=list(TEXTURES), default="solid", tooltip="How the second object is filled."),
                io.Combo.Input("background", options=list(BACKGROUNDS), default="blue", tooltip="Colour behind the objects; another than theirs."),
                io.Combo.Input("light", options=list(LIGHTS), default="noon", tooltip="Light of a wide scene such as mountains."),
                io.Int.Input("width", default=128, min=16, max=2048, step=8, tooltip="Width in pixels; the practice model draws 128."),
                io.Int.Input("height", default=128, min=16, max=2048, step=8, tooltip="Height in pixels; the practice model draws 128."),
                io.Int.Input("seed", default=0, min=0, max=2**32 - 1, control_after_generate=True, tooltip="Which random objects, or how the hills of a wide scene lie."),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture."),
                io.Image.Output(display_name="outline", tooltip="White outlines on black: a hint for the practice ControlNet."),
                io.Mask.Output(display_name="mask", tooltip="White where objects are."),
                io.String.Output(display_name="caption", tooltip="The picture in the words that the practice model knows."),
            ],
        )

    @classmethod
    def execute(cls, picture, shape, colour, texture, place, second_shape, second_colour, second_texture, background, light, width, height, seed) -> io.NodeOutput:
        from ..practice.drawing import render

        scene = choose(picture, (shape, colour, texture), place, (second_shape, second_colour, second_texture), background, light, seed)
        drawn = render(scene, width, height)
        return io.NodeOutput(*drawn.sockets(), caption(scene))
