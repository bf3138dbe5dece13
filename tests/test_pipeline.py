"""Techniques on a plain diffusers pipeline: the same numbers as the project's own sampling, and no trace."""
from __future__ import annotations

import pytest
import torch

diffusers = pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import control  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.noise import start_noise  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.processors.attention.style_aligned import reference_lane, style_aligned  # noqa: E402
from concord.processors.edit import Program  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402

STEPS = 4


class Pipeline:
    """The loop of StableDiffusionPipeline, without its text encoder: [negative, positive] in one batch, DDIM, eta 0."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.unet = diffusers.UNet2DConditionModel(sample_size=8, block_out_channels=(32, 32), down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                                                   up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), layers_per_block=1, cross_attention_dim=16,
                                                   attention_head_dim=2, norm_num_groups=16).eval()
        self.scheduler = diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=True,
                                                 timestep_spacing="trailing")
        self.do_classifier_free_guidance = True

    @torch.no_grad()
    def __call__(self, x: torch.Tensor, text: torch.Tensor, cfg: float = 3.0) -> torch.Tensor:
        self.scheduler.set_timesteps(STEPS)
        for t in self.scheduler.timesteps:
            negative, positive = self.unet(torch.cat([x, x]), t, encoder_hidden_states=text).sample.chunk(2)
            x = self.scheduler.step(negative + cfg * (positive - negative), t, x).prev_sample
        return x


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline()


def inputs(samples: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    text = torch.randn(2, 1, 7, 16, generator=g).expand(-1, samples, -1, -1).flatten(0, 1)
    return torch.randn(samples, 4, 8, 8, generator=g), text


def test_the_reference_stays_and_the_others_follow(pipe):
    x, text = inputs()
    alone = pipe(x, text)
    with control(pipe, *style_aligned(), lanes=reference_lane()):
        together = pipe(x, text)
    assert torch.allclose(together[0], alone[0], atol=1e-5)
    assert (together[1:] - alone[1:]).abs().amax((1, 2, 3)).min() > 1e-2


def test_no_trace(pipe):
    x, text = inputs()
    before, processors = pipe(x, text), dict(pipe.unet.attn_processors)
    with control(pipe, *style_aligned(), lanes=reference_lane()):
        pipe(x, text)
    assert torch.equal(pipe(x, text), before)
    assert all(pipe.unet.attn_processors[name] is processor for name, processor in processors.items())
    assert not pipe.unet._forward_hooks and not pipe.unet._forward_pre_hooks


def test_an_error_inside_leaves_no_trace(pipe):
    x, text = inputs()
    processors = dict(pipe.unet.attn_processors)
    with pytest.raises(RuntimeError), control(pipe, *style_aligned(), lanes=reference_lane()):
        pipe(x, text[..., :5])  # the text is too narrow
    assert all(pipe.unet.attn_processors[name] is processor for name, processor in processors.items())


def test_windows_of_progress_and_second_runs(pipe):
    x, text = inputs()
    plain = pipe(x, text)
    with control(pipe, *style_aligned(window=(0.0, 0.2)), lanes=reference_lane()):
        early, again = pipe(x, text), pipe(x, text)
    assert torch.equal(early, again)
    with control(pipe, *style_aligned(window=(0.9, 0.91)), lanes=reference_lane()):
        assert torch.equal(pipe(x, text), plain)
    assert (early - plain)[1:].abs().max() > 1e-4


def test_refusals(pipe):
    with pytest.raises(ConcordError, match="MultiDiffusion is more than an attention technique"), control(pipe, *multidiffusion((4, 4), (2, 2))):
        pass
    with pytest.raises(ConcordError, match="object has no UNet2DConditionModel"), control(object(), *style_aligned()):
        pass
    x, text = inputs()
    with pytest.raises(ConcordError, match="image 5 of the batch"), control(pipe, *style_aligned(), lanes=reference_lane(5)):
        pipe(x, text)


@pytest.mark.parametrize("edits", [(), style_aligned(), style_aligned(adain="qkv", scale=0.8, shift=0.7, window=(0.2, 0.8))], ids=["plain", "aligned", "part"])
def test_same_as_our_own_sampling(pipe, edits):
    """DDIM and Euler are one method in two units: the same steps from the same noise end in the same latent."""
    _, text = inputs()
    latent = {"samples": torch.zeros(3, 4, 8, 8)}
    model = Model(pipe.unet, latent=LatentFormat(scale=1.0), program=Program.of(edits, reference_lane()))
    ours = sample(model, 7, STEPS, 3.0, "euler", "simple", [[text[3:4], {}]], [[text[:1], {}]], latent)["samples"]
    with control(pipe, *edits, lanes=reference_lane()):
        theirs = pipe(start_noise(latent["samples"], 7, None), text)
    assert (ours - theirs).abs().max() / theirs.abs().max() < 1e-4
