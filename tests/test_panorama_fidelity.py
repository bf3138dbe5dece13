"""Windows against diffusers' own panorama pipeline (MultiDiffusion, DDIM without noise): the same windows, and the same latents after whole runs."""
from __future__ import annotations

import pytest
import torch

diffusers = pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import guided  # noqa: E402
from concord.hosts.diffusers.samplers import euler  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402

from .sampling_models import fill, text  # noqa: E402

HEIGHT, WIDTH, STEPS, CFG = 512, 640, 2, 6.0
SMALL = dict(block_out_channels=(32, 32), layers_per_block=1, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
             up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=64, attention_head_dim=4)


@pytest.fixture(scope="module")
def pipe():
    unet = fill(diffusers.UNet2DConditionModel(**SMALL), 0)
    vae = diffusers.AutoencoderKL(block_out_channels=(32,) * 4, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
    scheduler = diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=True,
                                        timestep_spacing="trailing")
    made = diffusers.StableDiffusionPanoramaPipeline(vae, None, None, unet, scheduler, None, None, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def windows(around: bool, per_call: int = 0):
    return multidiffusion((64, 64), (8, 8), wrap=(False, around), per_call=per_call)


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("size", [(512, 640), (512, 2048), (768, 1024), (512, 512)])
def test_the_same_windows(pipe, size, around):
    """Where the width is no larger than a window, neither goes around."""
    ours = windows(around)[0].views((size[0] // 8, size[1] // 8))
    assert [(view.y, view.y + view.h, view.x, view.x + view.w) for view in ours] == pipe.get_views(*size, circular_padding=around)


@pytest.mark.parametrize("around", [False, True])
def test_the_same_latents(pipe, around):
    prompts = text(1), text(2)
    start = torch.randn(1, 4, HEIGHT // 8, WIDTH // 8, generator=torch.Generator().manual_seed(3))
    theirs = pipe(height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, guidance_scale=CFG, prompt_embeds=prompts[0][0][0],
                  negative_prompt_embeds=prompts[1][0][0], latents=start, circular_padding=around, view_batch_size=5, output_type="latent").images
    model = host.attach(Model(pipe.unet, latent=LatentFormat(scale=1.0)), *windows(around, per_call=4))
    levels = model.sampling.sigmas[pipe.scheduler.timesteps.long()]
    sigmas = torch.cat([levels, torch.zeros(1)])
    with torch.no_grad():
        denoise = guided(model, CFG, {"positive": prompts[0], "negative": prompts[1]}, 1, (HEIGHT // 8, WIDTH // 8), sigmas)
        ours = euler(denoise, start * torch.sqrt(1 + sigmas[0] ** 2), sigmas, lambda *_: start, lambda *_: None)
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-4
