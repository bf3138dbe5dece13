"""Attend-and-Excite gives what diffusers' own pipeline gives, over a whole run."""
from __future__ import annotations

import pytest
import torch
from torch import Tensor

diffusers = pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.guidance import Followed  # noqa: E402
from concord.hosts.diffusers.looking import look_of  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import guided  # noqa: E402
from concord.hosts.diffusers.samplers import euler  # noqa: E402
from concord.processors.latents.guidance.attend_and_excite import attend_and_excite  # noqa: E402
from concord.processors.regions import Region  # noqa: E402
from concord.processors.stepping import Stepper  # noqa: E402

from .sampling_models import CROSS, fill, noise, text  # noqa: E402

ALL = Region(box=(0.0, 0.0, 1.0, 1.0), words="anywhere")


class Even(diffusers.DDIMScheduler):
    """DDIM over four timesteps at even distances, as the authors' step sizes fall."""

    TIMES = (999, 666, 333, 0)

    def set_timesteps(self, *_, **__) -> None:
        self.timesteps, self.num_inference_steps = torch.tensor(self.TIMES), 3  # 1000 // 3 is how far it steps


def test_attend_and_excite_draws_what_diffusers_draws():
    """Over a whole run of its own pipeline, which refines in two of the steps."""
    levels = dict(block_out_channels=(32, 64, 64), layers_per_block=1, down_block_types=(CROSS,) * 3, up_block_types=("CrossAttnUpBlock2D",) * 3)
    network = fill(diffusers.UNet2DConditionModel(**levels, cross_attention_dim=64, attention_head_dim=4, sample_size=16), 0)
    scheduler = Even(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=True)
    pipe = diffusers.StableDiffusionAttendAndExcitePipeline(vae=None, text_encoder=None, tokenizer=None, unet=network, scheduler=scheduler, safety_checker=None,
                                                            feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    model = Model(network, latent=LatentFormat(scale=1.0))
    start = noise(1, 4, 16, 16, seed=5)
    said = {"prompt_embeds": text(1)[0][0], "negative_prompt_embeds": text(2)[0][0]}
    theirs = pipe(None, **said, token_indices=[2, 5], guidance_scale=3.0, num_inference_steps=4, max_iter_to_alter=3, thresholds={0: 0.3, 1: 0.9},
                  attn_res=(4, 4), height=128, width=128, latents=start, output_type="latent").images
    edits = attend_and_excite([(ALL, (2,)), (ALL, (5,))], window=(0.0, 0.9), thresholds=((0.0, 0.3), (0.3, 0.9)))
    sigmas = torch.tensor([model.sampling.sigma(torch.tensor(float(t))) for t in Even.TIMES] + [0.0])
    ours = {}
    for name, used in (("guided", edits), ("plain", ())):
        denoise = guided(host.attach(model, *used), 3.0, {"positive": text(1), "negative": text(2)}, 1, (16, 16), sigmas)
        ours[name] = walked(denoise, start * (1 + sigmas[0] ** 2) ** 0.5, sigmas)
    assert (ours["guided"] - theirs).abs().max() < 1e-4 * theirs.abs().max()
    assert (ours["plain"] - theirs).abs().max() > 1e-2 * theirs.abs().max()


def walked(denoise, x: Tensor, sigmas: Tensor) -> Tensor:
    """Euler steps, which are DDIM's."""
    stepper, denoise.run.look = Stepper(denoise.run), look_of(denoise)
    with torch.no_grad():
        return stepper.leave(euler(Followed(denoise, stepper), x, sigmas, lambda *_: torch.zeros(1), lambda *_: None))
