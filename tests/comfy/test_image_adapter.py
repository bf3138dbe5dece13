"""Image adapters in every ComfyUI that is there, and that its vision towers see what those of the headless host see."""
from __future__ import annotations

import pytest
import torch

DEEP = True  # in older hosts: slow
SCRIPTS = ("image_adapter.py", "image_adapter_costs.py", "prompted_runs.py")


def test_image_adapter(check):
    check()


def test_vision_towers_see_the_same(in_host):
    """Pictures in both crops, and the mean colour, which ComfyUI has no function for."""
    pytest.importorskip("diffusers", reason="the headless extra is not installed")
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.loading.build import build
    from concord.model_loaders.clip_tower import TowerConfig, VisionTower
    from concord.model_loaders.clip_vision import Vision

    images = [torch.rand(2, 40, 70, 3, generator=torch.Generator().manual_seed(0)), torch.rand(1, 56, 56, 4, generator=torch.Generator().manual_seed(1))]
    theirs = in_host("image_adapter.py", "vision", images=images)
    config = TowerConfig(64, 4, 3, 128, "gelu", projection=1024, image=56)
    vision = host.vision(Vision(build(lambda: VisionTower(config), theirs["weights"], "vision")))
    ours = [vision.encode_image(image, crop) for image in images for crop in (True, False)] + [vision.encode_mean_colour()]
    for own, expected in zip(ours, theirs["outputs"], strict=True):
        assert set(expected) == set(vars(own))
        for name, value in expected.items():
            assert own[name].shape == value.shape and (own[name] - value).abs().max() < 1e-4 * value.abs().max(), name
