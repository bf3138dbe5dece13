"""The sampler nodes."""
from __future__ import annotations

from ....nodes._api import io
from ..graph.context import current
from ..sample import sample
from ..samplers import SAMPLERS
from ..sigmas import SCHEDULERS

STEPS = dict(min=1, max=10000, default=20, tooltip="How many times the model is asked.")
CFG = dict(min=0.0, max=100.0, default=8.0, step=0.1, round=0.01, tooltip="How strongly the positive prompt is preferred; 1 ignores the negative one.")
SEED = dict(min=0, max=2**64 - 1, default=0, control_after_generate=True, tooltip="Names the random numbers: the same seed gives the same picture.")
STEP = dict(min=0, max=10000, advanced=True)


class KSampler(io.ComfyNode):
    """Noise to latent."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="KSampler", display_name="KSampler", category="model/sampling",
            inputs=[
                io.Model.Input("model"),
                io.Int.Input("seed", **SEED),
                io.Int.Input("steps", **STEPS),
                io.Float.Input("cfg", **CFG),
                io.Combo.Input("sampler_name", options=list(SAMPLERS)),
                io.Combo.Input("scheduler", options=list(SCHEDULERS)),
                io.Conditioning.Input("positive"),
                io.Conditioning.Input("negative"),
                io.Latent.Input("latent_image"),
                io.Float.Input("denoise", min=0.0, max=1.0, default=1.0, step=0.01, tooltip="Below 1 the latent is only partly replaced: image to image."),
            ],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, model, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent_image, denoise=1.0):
        return io.NodeOutput(sample(model, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent_image, denoise=denoise, callback=_tell))


class KSamplerAdvanced(io.ComfyNode):
    """A part of a run, so that several nodes may share one."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="KSamplerAdvanced", display_name="KSampler (Advanced)", category="model/sampling",
            inputs=[
                io.Model.Input("model"),
                io.Combo.Input("add_noise", options=["enable", "disable"], advanced=True),
                io.Int.Input("noise_seed", **SEED),
                io.Int.Input("steps", **STEPS),
                io.Float.Input("cfg", **CFG),
                io.Combo.Input("sampler_name", options=list(SAMPLERS)),
                io.Combo.Input("scheduler", options=list(SCHEDULERS)),
                io.Conditioning.Input("positive"),
                io.Conditioning.Input("negative"),
                io.Latent.Input("latent_image"),
                io.Int.Input("start_at_step", default=0, **STEP),
                io.Int.Input("end_at_step", default=10000, **STEP),
                io.Combo.Input("return_with_leftover_noise", options=["disable", "enable"], advanced=True),
            ],
            outputs=[io.Latent.Output("LATENT")],
        )

    @classmethod
    def execute(cls, model, add_noise, noise_seed, steps, cfg, sampler_name, scheduler, positive, negative, latent_image, start_at_step, end_at_step,
                return_with_leftover_noise):
        return io.NodeOutput(sample(
            model, noise_seed, steps, cfg, sampler_name, scheduler, positive, negative, latent_image, add_noise=add_noise == "enable",
            start_at_step=start_at_step, end_at_step=end_at_step, leftover_noise=return_with_leftover_noise == "enable", callback=_tell,
        ))


def _tell(step: int, denoised, x, steps: int) -> None:
    current().step(step + 1, steps, "sampling")
