"""Full-size checkpoints (random weights, official layout, float16) load here and in the real ComfyUI, and give the same latents and picture.

The SDXL one keeps 320 channels at every level, which ComfyUI still takes for SDXL: at full width two hosts need 40 GB of memory.
"""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.core.latent import EmptyLatentImage
from concord.hosts.diffusers.core.loaders import CheckpointLoaderSimple
from concord.hosts.diffusers.core.sampling import KSampler
from concord.hosts.diffusers.core.text import CLIPTextEncode
from concord.hosts.diffusers.graph.context import Context, using
from safetensors.torch import save_file

from .. import loading_layouts as layouts

DEEP = True  # in older hosts: slow
PROMPT = "a (red:1.2) cat on a table"
UNETS = {"sd1": replace(layouts.SD1, channels=(320, 640, 1280, 1280)), "sdxl": replace(layouts.SDXL, channels=(320, 320, 320))}
TEXTS = {"sd1": layouts.text_l(layers=12), "sdxl": layouts.text_l("conditioner.embedders.0.transformer.", layers=12) | layouts.text_g(layers=32)}


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


@pytest.mark.parametrize("family", UNETS)
def test_the_layout_is_the_official_one(in_host, family: str):
    """At full width, without weights: the host knows the family and wants exactly these names and shapes."""
    unet = layouts.unet(replace(UNETS[family], channels=(320, 640, 1280, 1280)[: len(UNETS[family].channels)]))
    shapes = {name: list(shape) for name, shape in {**unet, **TEXTS[family]}.items()}
    theirs = in_host("loading_checkpoint.py", "reading", shapes=shapes)
    assert theirs["family"] == {"sd1": "SD15", "sdxl": "SDXL"}[family]
    assert {f"model.diffusion_model.{name}": shape for name, shape in theirs["unet"].items()} == {name: shapes[name] for name in unet}
    ignored = ("logit_scale", "clip_l.transformer.text_projection.weight")
    assert not theirs["text_unexpected"] and not [name for name in theirs["text_missing"] if not name.endswith(ignored)]


@pytest.mark.slow
@pytest.mark.parametrize("family", UNETS)
def test_same_picture(in_host, family: str, tmp_path: Path):
    (tmp_path / "checkpoints").mkdir()
    shapes = {**layouts.unet(UNETS[family]), **layouts.vae(128), **TEXTS[family]}
    save_file(layouts.random_tensors(shapes), path := tmp_path / "checkpoints" / "full.safetensors")
    side, steps = 128, 2
    theirs = in_host("loading_checkpoint.py", path=path, prompt=PROMPT, side=side, steps=steps)
    with using(Context(models=tmp_path)):
        model, clip, vae = CheckpointLoaderSimple.execute("full.safetensors").args
        positive, negative = (CLIPTextEncode.execute(text, clip).args[0] for text in (PROMPT, ""))
        empty = EmptyLatentImage.execute(width=side, height=side, batch_size=1).args[0]
        settings = dict(seed=1, steps=steps, cfg=5.0, sampler_name="euler", scheduler="normal", denoise=1.0)
        latent = KSampler.execute(model=model, positive=positive, negative=negative, latent_image=empty, **settings).args[0]["samples"]
    assert difference(positive[0][0], theirs["cond"]) < 1e-4
    assert difference(positive[0][1]["pooled_output"], theirs["pooled"]) < 1e-4
    assert difference(latent, theirs["latent"]) < 1e-3
    assert (vae.decode(latent) - theirs["image"]).abs().mean() < 1 / 255
