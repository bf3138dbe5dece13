"""A picture four times as large as the model's size, drawn once more in windows after a hint of itself: bounded memory, kept parts, every sampler."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.control_net import Control  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.hosts.diffusers.samplers import SAMPLERS  # noqa: E402
from concord.processors.features.controlnet import ControlResiduals  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402

from . import sampling_models as networks  # noqa: E402

NATIVE, SIZE, STEPS = 8, 32, 2
PICTURE = networks.noise(1, 4, SIZE, SIZE, seed=3)
TILE = torch.rand(1, 8 * SIZE, 8 * SIZE, 3, generator=torch.Generator().manual_seed(4))
MASK = torch.zeros(1, 1, 8 * SIZE, 8 * SIZE)
MASK[..., 100:230, 40:200] = 1


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(networks.unet(), latent=LatentFormat(scale=1.0))


def refine(model: Model, strength: float = 0.7, **latent) -> torch.Tensor:
    control = Control(networks.control_net(model.network))
    prompts = host.apply_control(networks.text(1), networks.text(2), control, TILE, ControlResiduals(strength=strength))
    return sample(model, 0, STEPS, 3.0, "euler", "normal", *prompts, {"samples": PICTURE, **latent}, denoise=0.5)["samples"]


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def test_memory_is_bounded_and_the_picture_is_the_same(model):
    rows: list[int] = []
    windows = lambda per_call: host.attach(model, *multidiffusion((NATIVE, NATIVE), (8, 6), "cosine", per_call=per_call))
    watch = model.network.register_forward_pre_hook(lambda network, x: rows.append(len(x[0])))
    try:
        made = {}
        for name, edited, most in (("three windows", windows(3), 6), ("five rows", replace(windows(0), rows_per_call=5), 5), ("all", windows(0), 40)):
            rows.clear()
            made[name] = refine(edited)
            assert max(rows) <= most and sum(rows) == STEPS * 2 * 20
    finally:
        watch.remove()
    assert far(made["three windows"], made["all"]) < 1e-5 and far(made["five rows"], made["all"]) < 1e-5
    assert far(made["all"], refine(windows(0), strength=0.0)) > 1e-2  # the hint has its effect


def test_what_a_mask_keeps_stays(model):
    made = refine(host.attach(model, *multidiffusion((NATIVE, NATIVE), (8, 8))), noise_mask=MASK)
    kept = torch.nn.functional.interpolate(MASK, (SIZE, SIZE), mode="bilinear")[0, 0] == 0
    assert torch.allclose(made[..., kept], PICTURE[..., kept], atol=1e-6)
    assert (made[..., ~kept] - PICTURE[..., ~kept]).abs().mean() > 0.1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler(model, sampler):
    """What a sampler draws anew in every step it draws on the canvas, whatever the windows are."""
    made = []
    for per_call in (1, 0):
        edited = host.attach(model, *multidiffusion((NATIVE, NATIVE), (4, 4), jitter=1, per_call=per_call))
        latent = {"samples": torch.zeros(1, 4, NATIVE, 12)}
        made.append(sample(edited, 0, 2, 3.0, sampler, "normal", networks.text(1), networks.text(2), latent)["samples"])
    assert torch.isfinite(made[0]).all() and far(made[1], made[0]) < 1e-4
