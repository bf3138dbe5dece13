"""Nodes that give a prompt a place on the canvas."""
from __future__ import annotations

from ....nodes._api import io
from .conditioning import CATEGORY, CELL, MOST_PIXELS, OUT, STRENGTH, with_keys


class ConditioningSetArea(io.ComfyNode):
    """A box in pixels."""

    @classmethod
    def define_schema(cls):
        size, place = dict(default=64, min=64, max=MOST_PIXELS, step=8), dict(default=0, min=0, max=MOST_PIXELS, step=8)
        return io.Schema(
            node_id="ConditioningSetArea", display_name="Conditioning (Set Area)", category=CATEGORY,
            inputs=[
                io.Conditioning.Input("conditioning"), io.Int.Input("width", **size), io.Int.Input("height", **size),
                io.Int.Input("x", **place), io.Int.Input("y", **place), io.Float.Input("strength", **STRENGTH),
            ],
            outputs=OUT,
        )

    @classmethod
    def execute(cls, conditioning, width, height, x, y, strength):
        area = tuple(pixels // CELL for pixels in (height, width, y, x))
        return io.NodeOutput(with_keys(conditioning, area=area, strength=strength, set_area_to_bounds=False))


class ConditioningSetAreaPercentage(io.ComfyNode):
    """A box in shares of the canvas."""

    @classmethod
    def define_schema(cls):
        size, place = dict(default=1.0, min=0.0, max=1.0, step=0.01), dict(default=0.0, min=0.0, max=1.0, step=0.01)
        return io.Schema(
            node_id="ConditioningSetAreaPercentage", display_name="Conditioning (Set Area with Percentage)", category=CATEGORY,
            inputs=[
                io.Conditioning.Input("conditioning"), io.Float.Input("width", **size), io.Float.Input("height", **size),
                io.Float.Input("x", **place), io.Float.Input("y", **place), io.Float.Input("strength", **STRENGTH),
            ],
            outputs=OUT,
        )

    @classmethod
    def execute(cls, conditioning, width, height, x, y, strength):
        return io.NodeOutput(with_keys(conditioning, area=("percentage", height, width, y, x), strength=strength, set_area_to_bounds=False))


class ConditioningSetMask(io.ComfyNode):
    """A mask; with "mask bounds" only the box around it is computed."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConditioningSetMask", display_name="Conditioning (Set Mask)", category=CATEGORY,
            inputs=[
                io.Conditioning.Input("conditioning"), io.Mask.Input("mask"), io.Float.Input("strength", **STRENGTH),
                io.Combo.Input("set_cond_area", options=["default", "mask bounds"]),
            ],
            outputs=OUT,
        )

    @classmethod
    def execute(cls, conditioning, mask, strength, set_cond_area):
        mask = mask if mask.ndim == 3 else mask.unsqueeze(0)
        return io.NodeOutput(with_keys(conditioning, mask=mask, set_area_to_bounds=set_cond_area != "default", mask_strength=strength))
