"""The same autoencoder file gives the same latents and pictures here as in the real ComfyUI."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.loading.autoencoder import vae_from
from concord.hosts.diffusers.loading.files import read_tensors
from safetensors.torch import save_file

DEEP = True  # in older hosts: slow


def random_tensors(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    scale = lambda name, shape: 1.0 if len(shape) < 2 and name.endswith("weight") else 0.5 / max(1, torch.Size(shape[1:]).numel()) ** 0.5
    return {name: torch.randn(shape, generator=generator) * scale(name, shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("kind", ["taesd", "kl"])
def test_latents_and_pictures(in_host, kind: str, tmp_path: Path):
    tensors = random_tensors(in_host("loading_vae.py", "names", kind=kind))
    if kind == "taesd":
        tensors |= {"vae_scale": torch.tensor(0.18215), "vae_shift": torch.tensor(0.1)}
    save_file(tensors, path := tmp_path / "vae.safetensors")
    generator = torch.Generator().manual_seed(1)
    image, latent = torch.rand(2, 61, 43, 3, generator=generator), torch.randn(2, 4, 5, 7, generator=generator)
    theirs = in_host("loading_vae.py", path=path, image=image, latent=latent)
    vae = vae_from(read_tensors(path), path.name)
    for ours, expected in ((vae.encode(image), theirs["latent"]), (vae.decode(latent), theirs["image"])):
        assert ours.shape == expected.shape
        assert (ours - expected).abs().max() / expected.abs().max() < 1e-4
    assert theirs["image"].std() > 0.01
