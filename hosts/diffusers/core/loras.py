"""LoRA files: LoraLoader, LoraLoaderModelOnly."""
from __future__ import annotations

from ....nodes._api import io
from ..graph.context import current
from ..loading.lora import apply_lora


def _strength(name: str):
    return io.Float.Input(name, default=1.0, min=-100.0, max=100.0, step=0.01)


class LoraLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LoraLoader", display_name="Load LoRA", category="model/loaders",
            inputs=[io.Model.Input("model"), io.Clip.Input("clip"), io.Combo.Input("lora_name", options=current().names("loras")),
                    _strength("strength_model"), _strength("strength_clip")],
            outputs=[io.Model.Output(), io.Clip.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, clip, lora_name, strength_model, strength_clip):
        if strength_model == 0 and strength_clip == 0:
            return io.NodeOutput(model, clip)
        return io.NodeOutput(*apply_lora(model, clip, current().find("loras", lora_name), strength_model, strength_clip))


class LoraLoaderModelOnly(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LoraLoaderModelOnly", display_name="Load LoRA (Model)", category="model/loaders",
            inputs=[io.Model.Input("model"), io.Combo.Input("lora_name", options=current().names("loras")), _strength("strength_model")],
            outputs=[io.Model.Output()],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, lora_name, strength_model):
        return io.NodeOutput(apply_lora(model, None, current().find("loras", lora_name), strength_model, 0.0)[0] if strength_model else model)
