"""Whole runs on a tiny random network: what must hold whatever the weights are."""
from __future__ import annotations

import pytest
import torch
from concord.hosts.diffusers.core.latent import LatentFromBatch
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample
from concord.hosts.diffusers.samplers import SAMPLERS
from concord.processors.errors import ConcordError

from .sampling_models import noise, text, unet

PICTURE = {"samples": noise(1, 4, 8, 8, seed=5)}


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(unet())


def empty(batch: int = 1, h: int = 8, w: int = 8) -> dict:
    return {"samples": torch.zeros(batch, 4, h, w)}


def run(model: Model, latent=None, positive=None, negative=None, **settings) -> torch.Tensor:
    settings = dict(seed=1, steps=4, cfg=5.0, sampler_name="euler", scheduler="normal") | settings
    return sample(model, positive=positive or text(1), negative=negative or text(2), latent=latent or empty(), **settings)["samples"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_leaves_no_trace(model, sampler):
    first = run(model, sampler_name=sampler)
    run(model, sampler_name=sampler, seed=2, latent=empty(2), positive=text(3, 154))
    assert torch.equal(first, run(model, sampler_name=sampler)) and first.isfinite().all()


@pytest.mark.parametrize("sampler", ["euler", "heun", "ddim"])
def test_two_parts_are_the_whole(model, sampler):
    """Samplers without memory may be stopped and taken up again."""
    whole = run(model, sampler_name=sampler, steps=6)
    half = run(model, sampler_name=sampler, steps=6, end_at_step=3)
    rest = run(model, {"samples": half}, sampler_name=sampler, steps=6, start_at_step=3, add_noise=False)
    torch.testing.assert_close(rest, whole, rtol=1e-4, atol=1e-2)  # in the latent's own units, where start noise is 80


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_outside_of_the_mask_nothing_changes(model, sampler):
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    out = run(model, {**PICTURE, "noise_mask": mask}, sampler_name=sampler)
    torch.testing.assert_close(out[..., 4:], PICTURE["samples"][..., 4:], rtol=0, atol=1e-4)
    assert (out[..., :4] - PICTURE["samples"][..., :4]).abs().mean() > 1


def test_a_full_mask_is_no_mask(model):
    torch.testing.assert_close(run(model, {**PICTURE, "noise_mask": torch.ones(1, 64, 64)}), run(model, PICTURE))


def test_images_of_a_batch_are_on_their_own(model):
    indexed = {**empty(4), "batch_index": [0, 1, 2, 3]}
    batch = run(model, indexed)
    for i in range(4):
        torch.testing.assert_close(run(model, LatentFromBatch.execute(indexed, i, 1).args[0]), batch[i : i + 1], rtol=1e-4, atol=1e-3)


def test_equal_index_and_equal_text_is_the_same_image(model):
    pair = run(model, {**empty(2), "batch_index": [3, 3]})
    assert torch.equal(pair[0], pair[1])


@pytest.mark.parametrize("settings", [dict(denoise=0.0), dict(start_at_step=4)])
def test_nothing_to_do(model, settings):
    assert torch.equal(run(model, PICTURE, **settings), PICTURE["samples"])


def test_other_keys_of_the_latent_survive(model):
    out = sample(model, 1, 1, 1.0, "euler", "normal", text(1), text(2), {**empty(), "batch_index": [4], "note": "mine"})
    assert out["batch_index"] == [4] and out["note"] == "mine"


def test_scale_of_latents(model):
    """Empty latents are empty in every unit; what comes out is in the VAE's."""
    one = run(Model(model.network, latent=LatentFormat(scale=1.0)))
    torch.testing.assert_close(run(model) * 0.18215, one, rtol=1e-4, atol=1e-4)


def test_progress_is_told(model):
    told = []
    run(model, steps=6, denoise=0.5, callback=lambda step, denoised, x, steps: told.append((step, steps)))
    assert told == [(step, 6) for step in range(6)]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 13), (16, 8)])
@pytest.mark.parametrize("sdxl", [False, True])
def test_every_size(model, size, sdxl):
    wide = Model(unet(sdxl=True), "sdxl") if sdxl else model
    assert run(wide, empty(1, *size), steps=1).isfinite().all()


def test_refusals(model):
    with pytest.raises(ConcordError, match="'uni_pc'.*dpmpp_2m"):
        run(model, sampler_name="uni_pc")
    with pytest.raises(ConcordError, match="positive conditioning is empty"):
        sample(model, 1, 1, 1.0, "euler", "normal", [], text(2), empty())
    with pytest.raises(ConcordError, match="16 channels.*takes 4"):
        run(model, {"samples": torch.ones(1, 16, 8, 8)})
    with pytest.raises(ConcordError, match="SDXL.*positive.*no pooled"):
        run(Model(unet(sdxl=True), "sdxl"), positive=[[noise(1, 77, 64), {}]])
