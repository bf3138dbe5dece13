"""Checkpoint files become models: every tensor in its place, whatever the layout; what does not fit is refused in one line."""
from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.core.loaders import CheckpointLoaderSimple, DiffusersLoader
from concord.hosts.diffusers.graph.context import Context, using
from concord.hosts.diffusers.loading.autoencoder import vae_from
from concord.hosts.diffusers.loading.checkpoint import load_checkpoint
from concord.hosts.diffusers.loading.unet import model_from
from concord.processors.errors import ConcordError
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors.torch import load_file, save_file

from . import loading_layouts as layouts

FAMILIES = {"sd1": layouts.sd1, "sdxl": layouts.sdxl}


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "checkpoints" / f"{request.param}.safetensors"
    path.parent.mkdir()
    save_file(layouts.random_tensors(FAMILIES[request.param]()), path)
    return path


def test_every_tensor_finds_its_place(checkpoint: Path):
    family, tensors = checkpoint.stem, load_file(checkpoint)
    model, clip, vae = load_checkpoint(checkpoint)
    assert model.family == family and model.latent.scale == {"sd1": 0.18215, "sdxl": 0.13025}[family]
    own, config = model.network.state_dict(), dict(model.network.config)
    for name, tensor in convert_ldm_unet_checkpoint(dict(tensors), config).items():
        assert torch.equal(own.pop(name), tensor.float()), name
    assert not own
    own = vae.network.state_dict()
    for name, tensor in convert_ldm_vae_checkpoint(dict(tensors), dict(vae.network.config)).items():
        assert torch.equal(own.pop(name), tensor.float()), name
    assert not own
    assert [tower.name for tower in clip.towers] == {"sd1": ["l"], "sdxl": ["l", "g"]}[family]


def test_text_encodes_and_latents_decode(checkpoint: Path):
    with using(Context(models=checkpoint.parents[1])):
        model, clip, vae = CheckpointLoaderSimple.execute(checkpoint.name).args
    cond, pooled = clip.encode(clip.tokenize("a (red:1.2) cat"))
    width = {"sd1": 768, "sdxl": 2048}[model.family]
    assert cond.shape == (1, 77, width) and cond.isfinite().all() and pooled.shape == (1, {"sd1": 768, "sdxl": 1280}[model.family])
    image = vae.decode(vae.encode(torch.rand(1, 70, 33, 3)))
    assert image.shape == (1, 64, 32, 3) and 0 <= image.min() and image.max() <= 1


def test_a_pickle_gives_the_same_as_safetensors(tmp_path: Path):
    tensors = layouts.random_tensors(layouts.sd1(tokens=100))
    save_file(tensors, tmp_path / "a.safetensors")
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "b.ckpt")
    first, second = (load_checkpoint(tmp_path / name)[0].network.state_dict() for name in ("a.safetensors", "b.ckpt"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_diffusers_folder_gives_the_same_as_a_checkpoint(tmp_path: Path):
    unet = layouts.random_tensors(layouts.unet(layouts.SD1, published=False))
    text = layouts.random_tensors(layouts.text_l("", tokens=100))
    vae = vae_from(layouts.random_tensors(layouts.vae(prefix=""), dtype=torch.float32), "vae").network.state_dict()
    for part, name, tensors in (("unet", "diffusion_pytorch_model", unet), ("text_encoder", "model", text), ("vae", "diffusion_pytorch_model", vae)):
        (tmp_path / "diffusers" / "mine" / part).mkdir(parents=True)
        save_file(tensors, tmp_path / "diffusers" / "mine" / part / f"{name}.safetensors")
    (tmp_path / "diffusers" / "mine" / "model_index.json").write_text("{}")
    with using(Context(models=tmp_path)):
        model, clip, loaded = DiffusersLoader.execute("mine").args
    assert all(torch.equal(tensor, unet[name].float()) for name, tensor in model.network.state_dict().items())
    assert torch.equal(clip.towers[0].network.state_dict()["text_model.final_layer_norm.bias"], text["text_model.final_layer_norm.bias"])
    assert all(torch.equal(tensor, vae[name]) for name, tensor in loaded.network.state_dict().items())


def changed(**changes) -> dict:
    from dataclasses import replace

    return layouts.unet(replace(layouts.SDXL if changes.pop("sdxl", False) else layouts.SD1, **changes))


@pytest.mark.parametrize("shapes, found", [
    (lambda: changed(inputs=9), "inpainting"),
    (lambda: changed(inputs=8), "IC-Light"),
    (lambda: changed(context=1024, linear=True, channels=(64,) * 4), "Stable Diffusion 2"),
    (lambda: changed(sdxl=True, context=1280, depths=(0, 1, 1), middle=1), "refiner"),
    (lambda: changed(sdxl=True, depths=(0, 1, 2), middle=2), "SSD-1B"),
    (lambda: changed(sdxl=True, depths=(0, 1, 1), middle=1, context=3000), "unknown model"),
    (lambda: layouts.unet(layouts.SD1) | {"v_pred": (1,)}, "v-prediction"),
    (lambda: layouts.unet(layouts.SDXL) | {"edm_mean": (1,)}, "Playground"),
    (lambda: {"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": (4, 4)}, "Stable Diffusion 3"),
    (lambda: {"double_blocks.0.img_attn.norm.key_norm.scale": (4,)}, "Flux"),
    (lambda: {"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": (4, 4)}, "a LoRA"),
    (lambda: {"control_model.zero_convs.0.0.weight": (4, 4, 1, 1)}, "a ControlNet"),
    (lambda: {"something.weight": (4, 4)}, "no UNet that is known"),
])  # fmt: skip
def test_other_families_are_refused_by_name(tmp_path: Path, shapes, found: str):
    save_file(layouts.random_tensors(shapes()), path := tmp_path / "other.safetensors")
    with pytest.raises(ConcordError, match=f"other.safetensors.*{found}.*Stable Diffusion 1.x and SDXL"):
        load_checkpoint(path)


def test_missing_and_foreign_tensors_are_named(tmp_path: Path):
    tensors = layouts.random_tensors(layouts.unet(layouts.SD1))
    del tensors["model.diffusion_model.input_blocks.1.1.norm.bias"]
    tensors["model.diffusion_model.extra"] = torch.zeros(1)
    with pytest.raises(ConcordError, match=r"x: missing down_blocks.0.attentions.0.norm.bias; not expected extra"):
        model_from(tensors, "x")


def test_a_part_that_is_not_there_is_named_when_used(tmp_path: Path):
    save_file(layouts.random_tensors(layouts.unet(layouts.SD1)), path := tmp_path / "bare.safetensors")
    _, clip, vae = load_checkpoint(path)
    with pytest.raises(ConcordError, match="bare.safetensors holds no CLIP"):
        clip.tokenize("a cat")
    with pytest.raises(ConcordError, match="bare.safetensors holds no VAE"):
        vae.decode(torch.zeros(1, 4, 8, 8))


@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
@pytest.mark.parametrize("kept", [0, 7, 0.5, 0.999])
def test_truncated_files(tmp_path: Path, ending: str, kept: float):
    path, tensors = tmp_path / f"cut.{ending}", layouts.random_tensors(layouts.text_l("", tokens=100, layers=1))
    save_file(tensors, path) if ending == "safetensors" else torch.save(tensors, path)
    content = path.read_bytes()
    path.write_bytes(content[: kept if kept in (0, 7) else int(kept * len(content))])
    with pytest.raises(ConcordError, match=f"cut.{ending} .*(incomplete|damaged|more than tensors)"):
        load_checkpoint(path)


class Malicious:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_pickle_runs_nothing(tmp_path: Path, legacy: bool):
    path, ran = tmp_path / "bad.ckpt", tmp_path / "ran"
    content = {"state_dict": {"a": torch.zeros(1)}, "payload": Malicious(ran)}
    if legacy:
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path)
    with pytest.raises(ConcordError, match="bad.ckpt is refused.*Nothing in it was run"):
        load_checkpoint(path)
    assert not ran.exists()


def test_an_autoencoder_of_another_family(tmp_path: Path):
    with pytest.raises(ConcordError, match="flux.safetensors is an autoencoder with 16 latent channels"):
        vae_from(layouts.random_tensors(layouts.vae(prefix="", latent=16)), "flux.safetensors")
