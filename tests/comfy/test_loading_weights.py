"""LoRA, ControlNet and CLIP vision files do here what they do in the real ComfyUI."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.loading.build import build
from concord.hosts.diffusers.loading.clip import Clip, Tower
from concord.hosts.diffusers.loading.control import load_control_net
from concord.hosts.diffusers.loading.lora import apply_lora
from concord.hosts.diffusers.loading.text import text_tower
from concord.hosts.diffusers.loading.unet import unet_config
from concord.hosts.diffusers.loading.unet_keys import diffusers_name, module_names, shape_of, to_diffusers
from concord.hosts.diffusers.loading.vision import vision_config
from concord.hosts.diffusers.model import Model
from concord.model_loaders.clip_tower import TowerConfig, VisionTower
from concord.model_loaders.clip_vision import Vision
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

DEEP = True  # in older hosts: slow


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def pair(name: str, out: int, into: int, up: str = ".lora_up.weight", down: str = ".lora_down.weight", kernel: int | None = None, **more: float) -> dict:
    """A layer of rank 4."""
    grid, one = ((kernel, kernel), (1, 1)) if kernel else ((), ())
    return {f"{name}{up}": noise(out, 4, *one), f"{name}{down}": noise(4, into, *grid, seed=1) / into**0.5} | {
        f"{name}.{key}": torch.tensor(value) for key, value in more.items()}  # fmt: skip


LAYERS = {
    **pair("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q", 32, 32, alpha=2.0),
    **pair("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 64, 64, alpha=1.0),
    **pair("unet.down_blocks.1.attentions.1.transformer_blocks.0.attn2.processor.to_v", 64, 64, "_lora.up.weight", "_lora.down.weight"),
    **pair("unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out", 128, 128, "_lora.up.weight", "_lora.down.weight"),
    **pair("unet.up_blocks.1.attentions.0.proj_in", 128, 128, ".lora_B.weight", ".lora_A.weight", kernel=1),
    **pair("diffusion_model.output_blocks.5.1.transformer_blocks.0.ff.net.2", 128, 512, ".lora_B.weight", ".lora_A.weight"),
    **pair("lora_unet_down_blocks_0_resnets_0_conv1", 32, 32, kernel=3, alpha=4.0),
    **pair("lora_unet_mid_block_resnets_1_time_emb_proj", 128, 128, alpha=4.0),
    **pair("lora_te_text_model_encoder_layers_0_self_attn_q_proj", 64, 64, alpha=2.0),
    **pair("text_encoder.text_model.encoder.layers.1.mlp.fc1", 128, 64, ".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"),
    "lora_unet_down_blocks_0_resnets_1_conv2.lora_up.weight": noise(32, 4, 1, 1),
    "lora_unet_down_blocks_0_resnets_1_conv2.lora_down.weight": noise(4, 32, 1, 1) / 6,
    "lora_unet_down_blocks_0_resnets_1_conv2.lora_mid.weight": noise(4, 4, 3, 3) / 6,
    "lora_unet_conv_in.diff": noise(32, 4, 3, 3),
    "lora_unet_conv_in.diff_b": noise(32),
}


@pytest.mark.parametrize("strengths", [(1.0, 1.0), (-0.7, 0.3), (0.0, 1.0)])
def test_loras(in_host, strengths, tmp_path: Path):
    save_file(LAYERS, path := tmp_path / "lora.safetensors")
    theirs = in_host("loading_weights.py", "lora", path=path, model_strength=strengths[0], clip_strength=strengths[1])
    before, after = theirs["before"], theirs["after"]
    shape = shape_of(before["unet"])
    network = build(lambda: UNet2DConditionModel(**unet_config(shape)), to_diffusers(before["unet"], shape), "unet")
    tower = text_tower(before["text"], "text", "small", config=TowerConfig(64, 4, 2, 128))
    model, clip = apply_lora(Model(network), Clip((Tower("l", tower),)), path, *strengths)
    own, text, blocks = model.network.state_dict(), clip.towers[0].network.state_dict(), module_names(shape)
    changed = [name for name in after["unet"] if not torch.equal(after["unet"][name], before["unet"][name])]
    assert len(changed) == (11 if strengths[0] else 0)
    for name, weight in after["unet"].items():
        torch.testing.assert_close(own[diffusers_name(name, blocks)], weight, rtol=1e-5, atol=1e-6, msg=name)
    for name, weight in text.items():
        torch.testing.assert_close(weight, after["text"][name], rtol=1e-5, atol=1e-6, msg=name)
    assert all(torch.equal(weight, before["text"][name]) for name, weight in tower.state_dict().items()), "the loaded tower changed"
    untouched = "conv_out.weight"
    assert model.network.get_parameter(untouched) is network.get_parameter(untouched)


@pytest.mark.parametrize("layout", ["control_model.", "", "diffusers"])
def test_control_nets(in_host, layout: str, tmp_path: Path):
    inputs = dict(x=noise(2, 4, 8, 8), hint=noise(2, 3, 64, 64).sigmoid(), timestep=torch.tensor([17.0, 800.0]), context=noise(2, 77, 64))
    theirs = in_host("loading_weights.py", "control_net", **inputs)
    prefix = "" if layout == "diffusers" else layout
    save_file({prefix + name: weight for name, weight in theirs["weights"].items()}, path := tmp_path / "control.safetensors")
    control = load_control_net(path)
    if layout == "diffusers":
        save_file(control.network.state_dict(), path)
        control = load_control_net(path)
    skips, middle = control.network(inputs["x"], inputs["timestep"], inputs["context"], inputs["hint"], return_dict=False)
    assert len(skips) == 12
    for own, expected in zip([*skips, middle], theirs["outputs"], strict=True):
        assert difference(own, expected) < 1e-4


def test_clip_vision(in_host):
    images = [noise(2, 300, 224, 3).sigmoid(), noise(1, 224, 224, 4).sigmoid(), noise(1, 90, 400, 3).sigmoid()]
    theirs = in_host("loading_weights.py", "vision", images=images)
    config = replace(vision_config(theirs["weights"], heads=4), activation="gelu")
    vision = Vision(build(lambda: VisionTower(config), theirs["weights"], "vision"))
    ours = [vision.encode_image(image, crop) for image in images for crop in (True, False)]
    for own, expected in zip(ours, theirs["outputs"], strict=True):
        for name, tensor in zip(("last_hidden_state", "penultimate_hidden_states", "image_embeds"), expected, strict=True):
            assert difference(own[name], tensor) < 1e-4
