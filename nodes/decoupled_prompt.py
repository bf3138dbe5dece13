from __future__ import annotations

from torch import Tensor, cat

from ..processors.attention.image_prompt import image_prompt
from ..processors.errors import ConcordError
from ..processors.schedule import Curve
from ._api import host, io
from ._image_tokens import masks

KEYS = ("area", "mask", "start_percent", "end_percent", "control", "gligen", "hooks")  # of a conditioning, that would be left out silently


class DecoupledPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_DecoupledPrompt",
            display_name="Decoupled Prompt (Concord)",
            category="concord/attention",
            description="A second prompt with an attention of its own: it is added to what the first says instead of competing with it, in a part of the picture or of the run if you like.",
            search_aliases=["second prompt", "decoupled text", "extra cross attention", "local prompt"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws."),
                io.Conditioning.Input("tokens", tooltip="The second prompt."),
                io.Float.Input("weight", default=0.5, min=-1.0, max=5.0, step=0.05, tooltip="How much it counts beside the first prompt. 0 is off; below 0 pushes away from it."),
                io.Float.Input("start_percent", default=0.0, min=0.0, max=1.0, step=0.001, tooltip="From which part of the run on it counts; 0 is the first step."),
                io.Float.Input("end_percent", default=1.0, min=0.0, max=1.0, step=0.001, tooltip="Until which part of the run."),
                io.Conditioning.Input("tokens_negative", optional=True, tooltip="What the negative side reads in its place, for instance an empty prompt. Without it the negative side has no second prompt."),
                io.Mask.Input("mask", optional=True, tooltip="Where it counts: white is all, black is not at all. Any size; one for all pictures, or one for each of the batch."),
                io.String.Input("weight_curve", default="", optional=True, tooltip="The weight over the run, as part of the run and factor: 0:1, 0.5:0.2, 1:0. Empty: level."),
                io.String.Input("layer_weights", default="", optional=True,
                                tooltip="A weight for single blocks: 3:0.5, 6:1 (block number and weight; SDXL has 0 to 10, Stable Diffusion 1.x 0 to 15). Blocks that are not named get none. Empty: all alike."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model that reads both prompts. Use it with any sampler.")],
        )

    @classmethod
    def execute(cls, model, tokens, weight, start_percent, end_percent, tokens_negative=None, mask=None, weight_curve="", layer_weights="") -> io.NodeOutput:
        count, width, name = host().cross_attentions(model)
        told, negative = all_tokens(tokens, width, name), None if tokens_negative is None else all_tokens(tokens_negative, width, name)
        edits = image_prompt(told, negative, None, weight=weight, layers=layer_weights, count=count, curve=Curve.parse(weight_curve), mask=masks(mask),
                             window=(start_percent, end_percent))
        return io.NodeOutput(host().attach(model, *edits))


def all_tokens(prompt: list, width: int, model: str, what: str = "the second prompt") -> Tensor:
    """The tokens of a CONDITIONING, of all its entries side by side: [1|B, T, C]."""
    if not prompt:
        raise ConcordError(f"{what} is empty: it has no entry at all; connect CLIP Text Encode")
    if kept := next((name for _, meta in prompt for name in KEYS if meta.get(name) is not None), None):
        raise ConcordError(f"{what} carries its own {kept}, which would not act here; connect the prompt itself, and set where and when it counts on this node")
    found = [entry[0] for entry in prompt]
    if wrong := next((t.shape[-1] for t in found if t.shape[-1] != width), None):
        raise ConcordError(f"{what} has tokens {wrong} wide, {model} reads {width}; encode it with the CLIP of the same checkpoint")
    images = max(map(len, found))
    if any(len(t) not in (1, images) for t in found):
        raise ConcordError(f"the entries of {what} are for {', '.join(str(len(t)) for t in found)} images; give all the same number, or 1")
    return cat([t.expand(images, -1, -1) for t in found], 1)
