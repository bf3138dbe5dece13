"""Nodes that combine prompts, and say where and when each acts."""
from __future__ import annotations

from typing import Any

import torch

from ....nodes._api import io

MOST_PIXELS = 16384
CELL = 8  # pixels of a latent cell
CATEGORY = "model/conditioning/transform"
STRENGTH = dict(default=1.0, min=0.0, max=10.0, step=0.01, tooltip="How much this prompt counts where it meets others.")
OUT = [io.Conditioning.Output("CONDITIONING")]


def with_keys(conditioning: list, **keys: Any) -> list:
    return [[context, {**cond, **keys}] for context, cond in conditioning]


class ConditioningCombine(io.ComfyNode):
    """Both prompts: their predictions are averaged."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConditioningCombine", display_name="Conditioning (Combine)", category=CATEGORY,
            inputs=[io.Conditioning.Input("conditioning_1"), io.Conditioning.Input("conditioning_2")], outputs=OUT,
        )

    @classmethod
    def execute(cls, conditioning_1, conditioning_2):
        return io.NodeOutput([*conditioning_1, *conditioning_2])


class ConditioningConcat(io.ComfyNode):
    """One prompt after the other, as if they were one longer text."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConditioningConcat", display_name="Conditioning (Concat)", category=CATEGORY,
            inputs=[io.Conditioning.Input("conditioning_to"), io.Conditioning.Input("conditioning_from")], outputs=OUT,
        )

    @classmethod
    def execute(cls, conditioning_to, conditioning_from):
        tail = conditioning_from[0][0]
        return io.NodeOutput([[torch.cat([context, tail], dim=1), dict(cond)] for context, cond in conditioning_to])


class ConditioningAverage(io.ComfyNode):
    """The text vectors of two prompts, blended token by token."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConditioningAverage", display_name="Conditioning (Average)", category=CATEGORY,
            inputs=[
                io.Conditioning.Input("conditioning_to"), io.Conditioning.Input("conditioning_from"),
                io.Float.Input("conditioning_to_strength", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="1 is all the first prompt, 0 all the second."),
            ],
            outputs=OUT,
        )

    @classmethod
    def execute(cls, conditioning_to, conditioning_from, conditioning_to_strength):
        source, source_keys = conditioning_from[0]
        source_pooled, share = source_keys.get("pooled_output"), conditioning_to_strength
        blended = []
        for context, cond in conditioning_to:
            other = source[:, : context.shape[1]]
            missing = context.shape[1] - other.shape[1]
            other = torch.cat([other, other.new_zeros(len(other), missing, other.shape[2])], dim=1) if missing else other
            keys = dict(cond)
            if source_pooled is not None:
                keys["pooled_output"] = cond.get("pooled_output", source_pooled) * share + source_pooled * (1.0 - share)
            blended.append([context * share + other * (1.0 - share), keys])
        return io.NodeOutput(blended)


class ConditioningZeroOut(io.ComfyNode):
    """No text at all: zeros in the place of its vectors."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConditioningZeroOut", display_name="Conditioning Zero Out", category=CATEGORY,
            inputs=[io.Conditioning.Input("conditioning")], outputs=OUT,
        )

    @classmethod
    def execute(cls, conditioning):
        zeroed = lambda cond: {**cond, "pooled_output": torch.zeros_like(cond["pooled_output"])} if cond.get("pooled_output") is not None else dict(cond)
        return io.NodeOutput([[torch.zeros_like(context), zeroed(cond)] for context, cond in conditioning])


class ConditioningSetTimestepRange(io.ComfyNode):
    """Acts during a part of the run only."""

    @classmethod
    def define_schema(cls):
        percent = dict(min=0.0, max=1.0, step=0.001, tooltip="0 is the start of a full run, 1 its end.")
        return io.Schema(
            node_id="ConditioningSetTimestepRange", display_name="Conditioning Set Timestep Range", category=CATEGORY,
            inputs=[io.Conditioning.Input("conditioning"), io.Float.Input("start", default=0.0, **percent), io.Float.Input("end", default=1.0, **percent)],
            outputs=OUT,
        )

    @classmethod
    def execute(cls, conditioning, start, end):
        return io.NodeOutput(with_keys(conditioning, start_percent=start, end_percent=end))
