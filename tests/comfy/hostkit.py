"""Tiny random models of the host's own classes, and calls of its nodes and ours: for scripts that run inside a real ComfyUI.

    kit.unet(sdxl=False, weights=None, seed=0, family=None, **config) -> ModelPatcher
                                                                             SD 1.x or SDXL block numbering; weights as diffusers names them; family: the
                                                                             host's class of model, where it is another one than these two
    kit.clip(weights=None, seed=0, width=64, layers=2, heads=4) -> CLIP      SD 1.x tokenizer, small tower; weights as transformers names them
    kit.vae(weights=None, seed=0) -> VAE                                     TAESD, 8 pixels a cell; weights in ComfyUI's taesd_* layout
    kit.control_net(weights=None, seed=0, **config) -> ControlNet            weights as diffusers names them
    kit.clip_vision(seed=0, width=64, layers=3) -> ClipVisionModel           with 224 px input and 14 px patches
    kit.conditioning(seed, tokens=77, width=64, **keys)                      [[tensor [1, tokens, width], {pooled_output, **keys}]]
    kit.sample(model, positive, negative, latent, **settings) -> samples     as the KSampler node; steps 3, cfg 5, euler, normal, seed 1
    kit.stopped(model, act, call=2) -> calls                                 act(model), interrupted in that model call
    kit.run_node("Concord_X", **inputs) -> tuple                             one of our nodes
"""
from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import comfy.cldm.cldm
import comfy.clip_vision
import comfy.controlnet
import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import comfy.taesd.taesd
import comfy.utils
import torch

import nodes

SD1 = dict(model_channels=32, channel_mult=[1, 2, 4, 4], num_res_blocks=[2] * 4, transformer_depth=[1] * 6 + [0] * 2,
           transformer_depth_output=[1] * 9 + [0] * 3, transformer_depth_middle=1, context_dim=64, num_heads=4, num_head_channels=-1,
           use_linear_in_transformer=False, adm_in_channels=None)
SDXL = SD1 | dict(channel_mult=[1, 2, 4], num_res_blocks=[2] * 3, transformer_depth=[0, 0, 1, 1, 2, 2],
                  transformer_depth_output=[0] * 3 + [1] * 3 + [2] * 3, transformer_depth_middle=2, num_heads=-1, num_head_channels=16,
                  use_linear_in_transformer=True, adm_in_channels=2816, num_classes="sequential")
COMMON = dict(image_size=32, in_channels=4, out_channels=4, use_spatial_transformer=True, legacy=False, use_checkpoint=False,
              use_temporal_resblock=False, use_temporal_attention=False)


def fill(module, seed: int):
    """Random weights of trained-like scale: the host's layers leave theirs uninitialised."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in sorted(module.state_dict().items()):
        if not weight.is_floating_point():
            continue
        noise = torch.randn(weight.shape, generator=generator)
        is_norm = weight.dim() == 1 and name.endswith("weight")
        weight.copy_(1 + 0.1 * noise if is_norm else noise * 0.02 if weight.dim() < 2 else noise / weight[0].numel() ** 0.5)
    return module


def fill_or_load(module, weights, seed: int):
    """Given weights, all of them and no others; else random ones."""
    if weights is None:
        return fill(module, seed).eval()
    missing, unexpected = module.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.endswith("position_ids")]
    assert not missing and not unexpected, f"missing {missing[:5]}, unexpected {unexpected[:5]}"
    return module.eval()


def base_model(sdxl: bool, config: dict, family=None):
    """The host's model with weights that are yet to be filled."""
    family = (family or (comfy.supported_models.SDXL if sdxl else comfy.supported_models.SD15))(dict(config))
    family.unet_config.update(num_heads=config["num_heads"], num_head_channels=config["num_head_channels"])     # the class sets SD 1.5's own 8 heads
    family.set_inference_dtype(config["dtype"], None)
    return family.get_model({}, "", device="cpu")


def unet_config(sdxl: bool = False, **config) -> dict:
    return COMMON | (SDXL if sdxl else SD1) | dict(dtype=torch.float32) | config


def unet(sdxl: bool = False, weights=None, seed: int = 0, family=None, **config):
    config = unet_config(sdxl, **config)
    model = base_model(sdxl, config, family)
    if weights is not None:
        names = comfy.utils.unet_to_diffusers(config)
        weights = {names.get(name, name): weight for name, weight in weights.items()}
    fill_or_load(model.diffusion_model, weights, seed)
    return comfy.model_patcher.ModelPatcher(model, load_device=torch.device("cpu"), offload_device=torch.device("cpu"))


def control_config(**config) -> dict:
    config = unet_config(**dict(hint_channels=3, device=None, operations=comfy.ops.disable_weight_init) | config)
    del config["out_channels"]
    return config


def control_net(weights=None, seed: int = 0, **config):
    config = control_config(**config)
    network = comfy.cldm.cldm.ControlNet(**config)
    if weights is not None:
        weights = {name: weight for name, weight in zip(control_names(weights, comfy.utils.unet_to_diffusers(config)), weights.values(), strict=True)}
    fill_or_load(network, weights, seed)
    return comfy.controlnet.ControlNet(network, load_device=torch.device("cpu"))


def control_names(weights, unet_names):
    """diffusers' names of a ControlNet's weights -> the host's, in the same order."""
    last = max(int(name.split(".")[2]) for name in weights if name.startswith("controlnet_cond_embedding.blocks.")) + 2
    for name in weights:
        part, _, rest = name.partition(".")
        if part == "controlnet_cond_embedding":
            layer = {"conv_in": 0, "conv_out": last}.get(rest.split(".")[0])
            yield f"input_hint_block.{2 * (layer if layer is not None else int(rest.split('.')[1]) + 1)}.{rest.split('.')[-1]}"
        elif part == "controlnet_down_blocks":
            yield "zero_convs.{}.0.{}".format(*rest.split("."))
        elif part == "controlnet_mid_block":
            yield f"middle_block_out.0.{rest}"
        else:
            yield unet_names[name]


def clip(weights=None, seed: int = 0, width: int = 64, layers: int = 2, heads: int = 4):
    config = dict(hidden_size=width, intermediate_size=2 * width, num_attention_heads=heads, num_hidden_layers=layers, projection_dim=width,
                  hidden_act="quick_gelu", max_position_embeddings=77, eos_token_id=49407, layer_norm_eps=1e-5)
    target = comfy.supported_models_base.ClipTarget(comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel)
    text = comfy.sd.CLIP(target, model_options={"clip_l_model_config": config, "dtype": torch.float32})
    tower = text.cond_stage_model.clip_l.transformer
    if weights is not None:
        weights = {"text_projection.weight": torch.eye(width)} | weights
    fill_or_load(tower, weights, seed)
    return text


def vae(weights=None, seed: int = 0):
    if weights is None:
        weights = fill(comfy.taesd.taesd.TAESD(latent_channels=4), seed).state_dict() | {"vae_scale": torch.tensor(1.0), "vae_shift": torch.tensor(0.0)}
    return comfy.sd.VAE(sd=weights)


def clip_vision(seed: int = 0, width: int = 64, layers: int = 3):
    config = dict(hidden_act="gelu", hidden_size=width, image_size=224, intermediate_size=2 * width, layer_norm_eps=1e-5, model_type="clip_vision_model",
                  num_attention_heads=4, num_channels=3, num_hidden_layers=layers, patch_size=14, projection_dim=width)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vision.json").write_text(json.dumps(config))
        vision = comfy.clip_vision.ClipVisionModel(str(Path(folder) / "vision.json"))
    fill(vision.model, seed)
    return vision


def conditioning(seed: int, tokens: int = 77, width: int = 64, **keys) -> list:
    generator = torch.Generator().manual_seed(seed)
    pooled = torch.randn(1, 1280, generator=generator)
    return [[torch.randn(1, tokens, width, generator=generator), {"pooled_output": pooled, **keys}]]


def sample(model, positive, negative, latent, *, seed=1, steps=3, cfg=5.0, sampler="euler", scheduler="normal", **settings):
    latent = latent if isinstance(latent, dict) else {"samples": latent}
    return nodes.common_ksampler(model, seed, steps, cfg, sampler, scheduler, positive, negative, latent, **settings)[0]["samples"]


def stopped(model, act, call: int = 2) -> int:
    """act(model) while somebody presses the stop button in a model call, counted from 1 -> how many calls there were; what acts has to look, and stop."""
    calls = []

    def press(executor, *args, **kwargs):
        calls.append(1)
        if len(calls) == call:
            comfy.model_management.interrupt_current_processing()
        return executor(*args, **kwargs)

    pressed = model.clone()
    pressed.add_wrapper_with_key("diffusion_model", "press", press)
    try:
        act(pressed)
    except comfy.model_management.InterruptProcessingException:
        return len(calls)
    raise AssertionError("was not interrupted")


def run_node(node_id: str, **inputs) -> tuple:
    for node in asyncio.run(asyncio.run(sys.modules["concord"].comfy_entrypoint()).get_node_list()):
        if node.define_schema().node_id == node_id:
            return node.execute(**inputs).args
    raise LookupError(f"{node_id} is not among the pack's nodes")
