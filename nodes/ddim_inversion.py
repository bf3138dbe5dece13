from __future__ import annotations

from ..processors.latents.inversion import round_trip_error
from ._api import host, io, schedulers

EPS_AT = {"target of the step": "target", "start of the step": "start"}


class DDIMInversion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_DDIMInversion",
            display_name="DDIM Inversion (Concord)",
            category="concord/inversion",
            description="Finds the noise from which a sampler draws your picture again. So real pictures can be edited: connect the bank to PromptToPrompt, "
                        "MasaCtrl, StyleAligned or Null-Text, or the noise to a KSampler (Advanced) that adds none.",
            search_aliases=["ddim inversion", "invert", "unsampler", "reverse sampling", "real image editing", "noise from image"],
            inputs=[
                io.Model.Input("model", tooltip="The model that will draw. What is attached to it acts on the way up too."),
                io.Conditioning.Input("positive", tooltip="What the picture shows, in plain words; or an empty prompt, as MasaCtrl has it."),
                io.Conditioning.Input("negative", tooltip="Only asked when cfg is not 1."),
                io.Latent.Input("latent", tooltip="The picture: Load Image and VAE Encode. A batch is inverted picture by picture at once."),
                io.Int.Input("steps", default=50, min=1, max=1000,
                             tooltip="How many steps up. The sampler that comes back needs the same number; more steps come back more exactly. 50 is what the papers use."),
                io.Combo.Input("scheduler", options=schedulers(), default="normal", tooltip="The noise levels. The sampler that comes back needs the same."),
                io.Float.Input("cfg", default=1.0, min=0.0, max=30.0, step=0.1,
                               tooltip="1 is exact: the picture comes back. StyleAligned's authors use 2. Higher values do not come back."),
                io.Combo.Input("eps_at", options=list(EPS_AT), default="target of the step",
                               tooltip="With which noise level the model is asked in a step up. Target: diffusers and MasaCtrl. Start: StyleID, and samplers that are run backwards."),
            ],
            outputs=[
                io.Latent.Output(display_name="noise", tooltip="The noise end, for KSampler (Advanced) with add_noise off, the same steps and scheduler, and euler or ddim."),
                io.Custom("CONCORD_BANK").Output(display_name="bank", tooltip="The whole way, for nodes whose source or reference is this picture."),
                io.Latent.Output(display_name="reconstruction", tooltip="The picture as it comes back from the noise, to compare with the original: VAE Decode."),
                io.Float.Output(display_name="error", tooltip="How far the way back misses the picture, as a share of the picture's own contrast. 0 is exact, 0.1 is hardly seen."),
                io.String.Output(display_name="report", tooltip="The same in words, for Preview Any."),
            ],
        )

    @classmethod
    def execute(cls, model, positive, negative, latent, steps, scheduler, cfg, eps_at) -> io.NodeOutput:
        bank = host().invert(model, latent, positive, negative, steps, scheduler, cfg, EPS_AT[eps_at])
        back = host().walk_back(model, bank, positive, negative, cfg)
        error = round_trip_error(back, bank.latents[-1])
        report = f"{bank.steps} steps, {scheduler}, cfg {cfg:g}: the way back misses the picture by {error:.1%} of its contrast"
        return io.NodeOutput(host().as_latent(model, bank.latents[0]), bank, host().as_latent(model, back), error, report)
