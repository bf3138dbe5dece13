"""Names in CLIP towers: open_clip's layout ("transformer.resblocks.0.ln_1") and bare towers -> the published one ("text_model.encoder.layers.0...")."""
from __future__ import annotations

from torch import Tensor

MODULES = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2", "attn.out_proj": "self_attn.out_proj"}
TOP = {"positional_embedding": "embeddings.position_embedding.weight", "token_embedding.weight": "embeddings.token_embedding.weight",
       "ln_final.weight": "final_layer_norm.weight", "ln_final.bias": "final_layer_norm.bias"}  # fmt: skip
IGNORED = ("embeddings.position_ids", "logit_scale", "attn_mask")  # constants that files carry along


def text_tower_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """-> a tower with the names `text_model.*` and `text_projection.weight`, whatever layout it came in."""
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith(IGNORED)}
    if "transformer.resblocks.0.ln_1.weight" in tensors:
        top = {f"text_model.{TOP[name]}" if name in TOP else name: tensor for name, tensor in tensors.items() if not name.startswith("transformer.")}
        if "text_projection" in top:
            top["text_projection.weight"] = top.pop("text_projection").T
        return layers_from_open_clip(tensors, "text_model.") | top
    if any(name.startswith("encoder.layers.") for name in tensors):  # what transformers 5 saves, and some old checkpoints
        return {name if name.startswith("text_projection") else f"text_model.{name}": tensor for name, tensor in tensors.items()}
    return tensors


def layers_from_open_clip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The layers of a text or vision tower; others are left out."""
    out = {}
    for name, tensor in tensors.items():
        if not name.startswith("transformer.resblocks."):
            continue
        number, inner = name.removeprefix("transformer.resblocks.").split(".", 1)
        layer, (module, _, kind) = f"{prefix}encoder.layers.{number}", inner.rpartition(".")
        if module == "attn":  # in_proj_weight, in_proj_bias: q, k and v in one
            for which, part in zip("qkv", tensor.chunk(3), strict=True):
                out[f"{layer}.self_attn.{which}_proj.{kind.removeprefix('in_proj_')}"] = part
        else:
            out[f"{layer}.{MODULES.get(module, module)}.{kind}"] = tensor
    return out
