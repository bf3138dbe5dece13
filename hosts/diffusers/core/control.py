"""Nodes that put a ControlNet on prompts, and the one that tells a union ControlNet what its hint is."""
from __future__ import annotations

from dataclasses import replace

from ....nodes._api import io
from ....processors.features.controlnet import UNION_TYPES
from ..control_family import kind_of
from ..control_net import apply_control
from ..union_control_net import UnionControlNet

CATEGORY = "model/conditioning/controlnet"
STRENGTH = dict(default=1.0, min=0.0, max=10.0, step=0.01, tooltip="0 is off.")
PERCENT = dict(min=0.0, max=1.0, step=0.001, tooltip="0 is the start of a full run, 1 its end.")


class ControlNetApply(io.ComfyNode):
    """On the positive prompt; the negative one follows."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ControlNetApply", display_name="Apply ControlNet (DEPRECATED)", category=CATEGORY, is_deprecated=True,
            inputs=[
                io.Conditioning.Input("conditioning"), io.ControlNet.Input("control_net"), io.Image.Input("image"),
                io.Float.Input("strength", **STRENGTH),
            ],
            outputs=[io.Conditioning.Output("CONDITIONING")],
        )

    @classmethod
    def execute(cls, conditioning, control_net, image, strength):
        return io.NodeOutput(*apply_control([conditioning], control_net, image, strength, for_others_too=True))


class ControlNetApplyAdvanced(io.ComfyNode):
    """On both prompts, during a part of the run."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ControlNetApplyAdvanced", display_name="Apply ControlNet", category=CATEGORY,
            inputs=[
                io.Conditioning.Input("positive"), io.Conditioning.Input("negative"), io.ControlNet.Input("control_net"), io.Image.Input("image"),
                io.Float.Input("strength", **STRENGTH), io.Float.Input("start_percent", default=0.0, **PERCENT),
                io.Float.Input("end_percent", default=1.0, **PERCENT), io.Vae.Input("vae", optional=True),
            ],
            outputs=[io.Conditioning.Output("positive"), io.Conditioning.Output("negative")],
        )

    @classmethod
    def execute(cls, positive, negative, control_net, image, strength, start_percent, end_percent, vae=None):
        # ControlNets of these families read pixels; `vae` is for others and stays unused.
        return io.NodeOutput(*apply_control([positive, negative], control_net, image, strength, start_percent, end_percent))


class SetUnionControlNetType(io.ComfyNode):
    """Other ControlNets stay as they are, as in ComfyUI."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="SetUnionControlNetType", display_name="Set Union ControlNet Type", category=CATEGORY,
            inputs=[io.ControlNet.Input("control_net"), io.Combo.Input("type", options=["auto", *UNION_TYPES])],
            outputs=[io.ControlNet.Output()],
        )

    @classmethod
    def execute(cls, control_net, type):
        if not isinstance(control_net.network, UnionControlNet):
            return io.NodeOutput(control_net)
        return io.NodeOutput(replace(control_net, kind=None if type == "auto" else kind_of(control_net, type)))
