from __future__ import annotations

from ..processors.conditions.own_negative import NegativeTexts, own_negative
from ..processors.latents.follow import follow_bank
from ._api import host, io

METHODS = ("null-text optimisation", "source prompt as negative", "off")
TARGETS = {"source only": False, "source and targets": True}
LATENTS = {"recompute": False, "overwrite from the inversion": True}


class NullText(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_NullText",
            display_name="Null-Text (Concord)",
            category="concord/inversion",
            description="Makes an inverted picture come back even with guidance, so that it can be edited at a normal cfg: it finds a negative prompt for every step "
                        "that leads back to the picture.",
            search_aliases=["null text inversion", "null-text optimization", "negative prompt inversion", "real image editing", "prompt-to-prompt real image"],
            inputs=[
                io.Model.Input("model", tooltip="The model with which the picture was inverted. Put PromptToPrompt, MasaCtrl and AttentionMaps after this node."),
                io.Conditioning.Input("positive", tooltip="What the picture shows: the prompt with which it was inverted, and the source prompt of the edit."),
                io.Conditioning.Input("negative", tooltip="The negative prompt of the sampler, usually empty. It is where the search begins."),
                io.Custom("CONCORD_BANK").Input("bank", tooltip="The inverted picture: from DDIM Inversion, with cfg 1."),
                io.Float.Input("cfg", default=7.5, min=1.0, max=30.0, step=0.1, tooltip="The cfg of the sampler. It has to be the same there."),
                io.Combo.Input("method", options=list(METHODS), default=METHODS[0],
                               tooltip="Optimisation is exact and slow: steps x tries, each about as long as three steps of a sampler. Source prompt as negative costs nothing and comes "
                                       "close, but the source then has no guidance. Off: only the latents below."),
                io.Int.Input("tries", default=10, min=1, max=100, tooltip="At most so many tries a step for the optimisation; it stops sooner where it is close. 10 is the authors'."),
                io.Combo.Input("negative_for", options=list(TARGETS), default="source and targets",
                               tooltip="Who hears the found negative prompts. Source and targets: as the authors edit pictures. Source only: the targets keep their own (Video-P2P)."),
                io.Combo.Input("source_latents", options=list(LATENTS), default="recompute",
                               tooltip="Recompute: the source is drawn again, step by step. Overwrite: at every step it is set to the inverted picture, and so comes out exactly."),
                io.Float.Input("rate", default=0.01, min=0.0001, max=1.0, step=0.001, round=0.0001, optional=True,
                               tooltip="How far a try goes. 0.01 is the authors' for Stable Diffusion; the small practice model wants 0.1."),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model whose source comes back. Sample from the noise of DDIM Inversion with the same steps and scheduler, "
                                                                   "euler or ddim, and this cfg.")],
        )

    @classmethod
    def execute(cls, model, positive, negative, bank, cfg, method, tries, negative_for, source_latents, rate=0.01) -> io.NodeOutput:
        if LATENTS[source_latents]:
            follows = follow_bank(bank)
        else:
            follows = ()
        if method == "off":
            return io.NodeOutput(host().attach(model, *follows))
        if method == "source prompt as negative":
            (text, meta), *_ = positive
            texts = NegativeTexts(text[None].float().cpu(), pooled=meta.get("pooled_output"))
        else:
            texts = host().null_text(model, bank, positive, negative, cfg, tries, rate)
        return io.NodeOutput(host().attach(model, own_negative(texts, TARGETS[negative_for]), *follows))
