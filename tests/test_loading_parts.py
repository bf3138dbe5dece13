"""Separate files - UNet, VAE, LoRA, ControlNet - through the nodes that load them; wrong ones are refused in one line."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.core.image_models import ControlNetLoader
from concord.hosts.diffusers.core.loaders import UNETLoader, VAELoader
from concord.hosts.diffusers.core.loras import LoraLoader, LoraLoaderModelOnly
from concord.hosts.diffusers.graph.context import Context, using
from concord.hosts.diffusers.loading.text import sd1_clip
from concord.hosts.diffusers.loading.unet import half_config, model_from
from concord.processors.errors import ConcordError
from diffusers import AutoencoderTiny, ControlNetModel
from safetensors.torch import save_file

from . import loading_layouts as layouts

UNET = layouts.random_tensors(layouts.unet(layouts.SD1, prefix=""))


@pytest.fixture
def models(tmp_path: Path):
    """A folder of models in use; put(folder, name, tensors) adds a file."""

    def put(folder: str, name: str, tensors: dict) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        save_file(tensors, tmp_path / folder / name)
        return name

    with using(Context(models=tmp_path)):
        yield put


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "diffusion_model."])
def test_unet_files(models, prefix: str):
    name = models("unet", "u.safetensors", {prefix + key: tensor for key, tensor in UNET.items()})
    network = UNETLoader.execute(name).args[0].network
    assert torch.equal(network.conv_in.weight, UNET["input_blocks.0.0.weight"].float()) and not network.training
    with pytest.raises(ConcordError, match="weight_dtype fp8_e5m2"):
        UNETLoader.execute(name, "fp8_e5m2")


def tiny() -> AutoencoderTiny:
    torch.manual_seed(0)
    return AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4)


def test_a_tiny_autoencoder_of_two_files_is_scaled_to_the_full_ones_units(models):
    network = tiny().eval()
    for side, offset in (("encoder", 0), ("decoder", 1)):
        layers = {name.removeprefix(f"{side}.layers."): tensor for name, tensor in network.state_dict().items() if name.startswith(side)}
        numbered = {f"{int(name.split('.')[0]) + offset}.{name.split('.', 1)[1]}": tensor for name, tensor in layers.items()}
        models("vae_approx", f"taesd_{side}.safetensors", numbered)
    vae = VAELoader.execute("taesd").args[0]
    image = torch.rand(1, 16, 24, 3)
    with torch.no_grad():
        latent = network.encode(image.movedim(-1, 1) * 2 - 1).latents
        decoded = network.decode(latent).sample.movedim(1, -1) / 2 + 0.5
    torch.testing.assert_close(vae.encode(image), latent / 0.18215)
    torch.testing.assert_close(vae.decode(latent / 0.18215), decoded.clamp(0, 1))
    assert "taesd" in VAELoader.define_schema().inputs[0].options


def test_a_vae_file(models):
    name = models("vae", "v.safetensors", layouts.random_tensors(layouts.vae(prefix="")) | {"loss.logvar": torch.zeros(())})
    vae = VAELoader.execute(name).args[0]
    assert vae.network.dtype == torch.float32 and vae.encode(torch.rand(1, 17, 25, 3)).shape == (1, 4, 2, 3)
    with pytest.raises(ConcordError, match="u.safetensors holds no image autoencoder"):
        VAELoader.execute(models("vae", "u.safetensors", {"x": torch.zeros(1)}))


def lora(layer: str, out: int, into: int, **parts: torch.Tensor) -> dict:
    return {f"{layer}.lora_up.weight": torch.ones(out, 2), f"{layer}.lora_down.weight": torch.ones(2, into)} | {f"{layer}.{k}": v for k, v in parts.items()}


def test_loras_give_new_handles_and_share_the_rest(models):
    model, clip = model_from(UNET, "u"), sd1_clip(layouts.random_tensors(layouts.text_l("", tokens=50)), "t")
    layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    text = "lora_te1_text_model_encoder_layers_0_self_attn_k_proj"
    name = models("loras", "l.safetensors", lora(layer, 64, 64, alpha=torch.tensor(1.0)) | lora(text, 768, 768))
    changed, changed_clip = LoraLoader.execute(model, clip, name, 0.5, 2.0).args
    before, after = (m.network.mid_block.attentions[0].transformer_blocks[0].attn1.to_q.weight for m in (model, changed))
    torch.testing.assert_close(after, before + 0.5 * 0.5 * 2)
    layer_of = lambda c: c.towers[0].network.text_model.encoder.layers[0].self_attn.k_proj.weight
    torch.testing.assert_close(layer_of(changed_clip).float(), layer_of(clip).float() + 2.0 * 2, rtol=1e-3, atol=1e-3)
    assert changed.network.conv_in.weight is model.network.conv_in.weight and not changed.network.training
    assert LoraLoader.execute(model, clip, "none", 0.0, 0.0).args == (model, clip)
    torch.testing.assert_close(LoraLoaderModelOnly.execute(changed, name, -0.5).args[0].network.state_dict()[
        "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"], before)  # fmt: skip


@pytest.mark.parametrize("tensors, message", [
    (lora("lora_unet_nowhere", 4, 4), "fits no layer of this model"),
    ({"a.hada_w1_a": torch.zeros(2, 2)}, "is a LoHa file"),
    (lora("lora_unet_conv_in", 32, 36) | {"lora_unet_conv_in.dora_scale": torch.zeros(1)}, "is a DoRA file"),
    ({"weight": torch.zeros(1)}, "holds no LoRA layers"),
    (lora("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k", 64, 2048), "was made for another model"),
])  # fmt: skip
def test_wrong_loras(models, tensors, message):
    with pytest.raises(ConcordError, match=f"wrong.safetensors {message}"):
        LoraLoaderModelOnly.execute(model_from(UNET, "u"), models("loras", "wrong.safetensors", tensors), 1.0)


def test_layers_that_do_not_fit_are_counted(models, caplog):
    tensors = lora("lora_unet_conv_in", 32, 36) | lora("lora_unet_elsewhere", 4, 4)
    LoraLoaderModelOnly.execute(model_from(UNET, "u"), models("loras", "l.safetensors", tensors), 1.0)
    assert "l.safetensors: 1 of 2 layers are not in this model: lora_unet_elsewhere" in caplog.text


def test_control_nets_of_sdxl(models):
    shape = replace(layouts.SDXL, depths=(0, 1, 1))
    shapes = layouts.shapes_of(lambda: ControlNetModel(**half_config(shape)))
    control = ControlNetLoader.execute(models("controlnet", "c.safetensors", layouts.random_tensors(shapes))).args[0]
    assert control.network.config.attention_head_dim == (1, 1, 1) and control.network.config.addition_embed_type == "text_time"


def test_shuffle_control_nets_pool_as_in_comfyui(models):
    """Nothing in the file tells them; both hosts go by its name, so that a graph gives one picture in both."""
    shapes = layouts.shapes_of(lambda: ControlNetModel(**half_config(layouts.SD1)))
    load = lambda name: ControlNetLoader.execute(models("controlnet", name, layouts.random_tensors(shapes))).args[0]
    assert [load(name).pooled for name in ("c.safetensors", "c_shuffle.safetensors", "c_shuffle_fp16.safetensors")] == [False, True, True]


@pytest.mark.parametrize("names, found", [
    (["style_embedding"], "a style adapter"),
    (["backbone.0.0.weight"], "a ControlNet for Stable Cascade"),
    (["zero_convs.0.0.weight", "lora_controlnet"], "a Control-LoRA"),
    (["controlnet_blocks.0.weight"], "a ControlNet for Flux"),
    (["ip_adapter.1.to_k_ip.weight"], "an IP-Adapter"),
    (["some.weight"], "no ControlNet"),
])  # fmt: skip
def test_other_controls_are_refused_by_name(models, names, found):
    with pytest.raises(ConcordError, match=f"c.safetensors holds {found}"):
        ControlNetLoader.execute(models("controlnet", "c.safetensors", {name: torch.zeros(4, 4) for name in names}))
