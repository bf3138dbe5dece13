"""Prompts through the real host's tokenizer and text encoders."""
import comfy.sd
import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.supported_models_base as base
import hostkit as kit
import torch

FAMILIES = {"sd1": (comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel), "sdxl": (comfy.sdxl_clip.SDXLTokenizer, comfy.sdxl_clip.SDXLClipModel)}


def tokens(prompts: list) -> list:
    """-> for each prompt {"g": chunks of [token, weight], "l": ...}"""
    return [comfy.sdxl_clip.SDXLTokenizer().tokenize_with_weights(prompt) for prompt in prompts]


def encodings(family: str, prompts: list, skip: int | None = None, embeddings: str | None = None) -> dict:
    """-> small random towers' weights by name, and [cond, pooled] for each prompt."""
    tower = dict(hidden_size=64, intermediate_size=128, num_attention_heads=4, num_hidden_layers=3)
    wide = dict(hidden_size=96, intermediate_size=192, num_attention_heads=4, num_hidden_layers=4)
    options = {"clip_l_model_config": tower, "clip_g_model_config": wide, "dtype": torch.float32}
    clip = comfy.sd.CLIP(base.ClipTarget(*FAMILIES[family]), embedding_directory=embeddings, model_options=options)
    kit.fill(clip.cond_stage_model, 0)
    if skip is not None:
        clip.clip_layer(skip)
    conds = [clip.encode_from_tokens(clip.tokenize(prompt), return_pooled=True) for prompt in prompts]
    return {"weights": clip.cond_stage_model.state_dict(), "conds": conds}
