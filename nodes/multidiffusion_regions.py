from __future__ import annotations

from ..processors.conditions.bootstrapping import bootstrapping, flat_colours, flat_latents, random_latents
from ..processors.conditions.region_branches import Told, check_regions, dressed, weights, with_regions
from ..processors.errors import ConcordError
from ..processors.regions import spoken
from ._api import host, io


class MultiDiffusionRegions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Concord_MultiDiffusionRegions",
            display_name="MultiDiffusion Regions (Concord)",
            category="concord/space",
            description="Draws each region with a prompt and a negative of its own, and averages what they predict at every step. At first each region stands before a flat background, so that "
                        "its object keeps to its place.",
            search_aliases=["multidiffusion", "region prompts", "regional prompting", "bootstrapping", "region based", "masked prompts"],
            inputs=[
                io.Model.Input("model", tooltip="The model that draws."),
                io.Conditioning.Input("positive", tooltip="What is outside of all regions: the background."),
                io.Conditioning.Input("negative", tooltip="What is not wanted in the background, and in regions that have no negative of their own."),
                io.Custom("CONCORD_REGIONS").Input("regions", tooltip="The regions with their prompts: of Regions, or of Region. Where regions overlap they are averaged."),
                io.Float.Input("bootstrap_percent", default=0.4, min=0.0, max=1.0, step=0.01,
                               tooltip="Until which part of the run each region is drawn before a flat background, so that its object lies inside. 0.4 is the authors' (20 of 50 steps); 0 is off."),
                io.Int.Input("bootstrap_seed", default=0, min=0, max=2**32 - 1, tooltip="Which colours the flat backgrounds have; another one in every step and window."),
                io.Clip.Input("clip", optional=True, tooltip="The text encoder of the same checkpoint, for regions whose prompt is a text."),
                io.Vae.Input("vae", optional=True, tooltip="Encodes the colours of the flat backgrounds. Without it their latents are random numbers: about as good, but no true colours."),
                io.Latent.Input("background", optional=True, tooltip="A picture in the stead of flat colours: VAE Encode. It is scaled to the size of what is drawn."),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model with the flat backgrounds. Use it with any sampler; MultiDiffusion's windows may follow or precede."),
                io.Conditioning.Output(display_name="positive", tooltip="The background and all regions, each with its mask."),
                io.Conditioning.Output(display_name="negative", tooltip="The same for what is not wanted."),
            ],
        )

    @classmethod
    def execute(cls, model, positive, negative, regions, bootstrap_percent, bootstrap_seed, clip=None, vae=None, background=None) -> io.NodeOutput:
        found = check_regions(regions)
        marked = [f"{number}:{region.id}" if bootstrap_percent else "" for number, region in enumerate(found)]
        masks = weights(found)
        told = [Told(mask, encoded(region, "prompt", clip, positive), encoded(region, "negative", clip, negative), mark)
                for region, mask, mark in zip(found, masks, marked, strict=True)]
        if found and bootstrap_percent:
            colours = backgrounds(model, vae, background, bootstrap_seed)
            model = host().attach(model, *bootstrapping(marked, masks, colours, bootstrap_percent, bootstrap_seed))
        return io.NodeOutput(model, *with_regions(positive, negative, told))


def encoded(region, side: str, clip, like):
    """A region's own prompt as a conditioning; None: it has no negative."""
    prompt = getattr(region, side)
    if not spoken(prompt):
        if side == "negative":
            return None
        prompt = region.words
        if not prompt.strip():
            raise ConcordError(f"the region {region.name} has no prompt; write one in it")
    if not isinstance(prompt, str):
        return dressed(prompt, like)
    if clip is None:
        raise ConcordError(f"the region {region.name} has its {side} as a text, which needs the clip input; connect the CLIP of the checkpoint")
    return dressed(host().encode_prompt(clip, prompt), like)


def backgrounds(model, vae, background, seed: int):
    """[P, C, 1 | h, 1 | w] in the network's units."""
    if background is not None:
        return host().from_latent(model, background)[:1]
    return random_latents(seed) if vae is None else flat_latents(host().from_latent(model, {"samples": vae.encode(flat_colours(seed))}))
