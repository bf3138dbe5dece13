"""Region Guidance's modes without gradients in whole runs, on the practice model and on SDXL's block numbering; the same code makes them in every host."""
from __future__ import annotations

from dataclasses import replace

import torch
from concord.nodes.add_region import AddRegion
from concord.nodes.region_guidance import RegionGuidance
from concord.processors.attention.forward_guidance import forward_guidance
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.paint_with_words import paint_with_words
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt
from concord.processors.attention.region_prompts import region_prompts
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.conditions.lanes import one_per_sample, roles
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.regions import Region

TEXT = "a red striped circle and a green solid star on a blue background"
OTHER = "a red striped circle and a yellow solid star on a blue background"
LONG = " ".join(["a red circle and"] * 30) + " a green star on a blue background"


def runs(host, sample) -> dict[str, torch.Tensor]:
    """sample(model, positive, negative, shape, **settings) -> latents from seed 1, by name."""
    model, clip, _ = host.practice_model()
    told, other, empty, long = (host.encode_prompt(clip, text) for text in (TEXT, OTHER, "", LONG))
    regions = AddRegion.execute(0.0, 0.1, 0.5, 0.8, "circle", "a red circle", 1.0, "green", "0:1, 1:0.4").args[0]
    regions = AddRegion.execute(0.5, 0.0, 0.6, 1.0, "green, star", LONG, 0.8, regions=regions).args[0]
    mask = torch.linspace(0, 1, 64).expand(1, 48, 64)
    regions = AddRegion.execute(0.0, 0.0, 1.0, 1.0, "blue", "", 0.5, mask=mask, conditioning=told, regions=regions).args[0]
    made: dict[str, torch.Tensor] = {}

    def draw(name, mode, positive=told, shape=(1, 4, 16, 16), text=TEXT, on=model, then=lambda m: m, settings=None, **more) -> None:
        guided = RegionGuidance.execute(on, clip, text, regions, mode, more.pop("strength", 1.0), more.pop("start", 0.0), more.pop("end", 1.0), **more)
        made[f"{mode}, {name}"] = sample(then(guided.args[0]), positive, empty, shape, **(settings or {}))

    area = [[tokens, {**keys, "area": (12, 20, 2, 6), "strength": 1.0}] for tokens, keys in told]
    windows = lambda m: host.attach(m, *multidiffusion((16, 16), (8, 8)))
    styled = lambda m: host.attach(m, *style_aligned(), lanes=reference_lane())
    pictured = lambda m: host.attach(m, *image_prompt(noise(1, 4, 64, seed=1), noise(1, 4, 64, seed=2), weight=0.5))
    prompts = [host.read_prompt(clip, text) for text in (TEXT, OTHER)]
    edited = lambda m: host.attach(m, *prompt_to_prompt(*prompts[:1], prompts[1:], "replace"), lanes=roles(1, 1))
    apart = one_per_sample([told, other], 1)
    for mode in ("region prompts", "paint with words", "forward guidance"):
        draw("a batch", mode, shape=(3, 4, 16, 16), base_ratio=0.3)
        draw("odd size", mode, shape=(1, 4, 13, 19), layers="2-9, 12", strength=0.7)
        draw("cfg 1", mode, settings={"cfg": 1.0})
        draw("154 tokens", mode, long, text=LONG)
        draw("an area and windows", mode, other + area, (1, 4, 16, 40), on=windows(model), prompt_number=1)
        draw("with words of another picture", mode, apart, (2, 4, 16, 16), then=edited)
        draw("with style and a picture", mode, shape=(2, 4, 16, 24), then=lambda m: windows(styled(pictured(m))))
        draw("with style and a picture, other order", mode, shape=(2, 4, 16, 24), on=windows(styled(pictured(model))))
    draw("measured over the batch", "paint with words", shape=(2, 4, 16, 16), law="0.4 log(1 + sigma^2) std", measured_over="batch", outside=0.5)
    draw("words measured", "paint with words", law="0.4 log(1 + log(1.01 + sigma)) max of the words", measured_over="head")
    draw("without fillers", "forward guidance", filler_tokens="off", start=0.1)
    made["nothing"] = sample(model, told, empty, (1, 4, 16, 16))
    draw("off", "region prompts", strength=0.0)
    return made


def sdxl(host, model) -> dict:
    """name -> model, of a network that reads tokens 64 wide."""
    regions = Region(box=(0.0, 0.1, 0.6, 0.8)), Region(polygon=((0.5, 0.0), (1.2, 0.4), (0.4, 0.9)), strength=0.8)
    aims = tuple(zip(regions, ((2, 3), (5,)), strict=True))
    own = [noise(1, tokens, 64, seed=tokens) for tokens in (77, 154)]
    edits = {"region prompts": region_prompts(regions, own, own[::-1]), "paint with words": paint_with_words(aims, 3.0),
             "forward guidance": forward_guidance(aims, window=(0.0, 1.0), start=(0,), end=tuple(range(7, 77)))}
    edits["all"] = tuple(edit for made in edits.values() for edit in made)
    edits["in windows"] = (*edits["all"], *multidiffusion((8, 8), (4, 4)))
    edits["some layers"] = tuple(replace(edit, layers=frozenset({1, 4, 6})) for edit in edits["all"])
    return {"nothing": model, **{name: host.attach(model, *made) for name, made in edits.items()}}


def noise(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def in_comfyui() -> dict[str, torch.Tensor]:
    from concord.hosts.comfy import host

    import nodes

    def sample(model, positive, negative, shape, steps=3, cfg=4.0, sampler="euler"):
        return nodes.common_ksampler(model, 1, steps, cfg, sampler, "normal", positive, negative, {"samples": torch.zeros(shape)})[0]["samples"]

    return runs(host, sample)


def in_diffusers() -> dict[str, torch.Tensor]:
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample as sampled

    def sample(model, positive, negative, shape, steps=3, cfg=4.0, sampler="euler"):
        return sampled(model, 1, steps, cfg, sampler, "normal", positive, negative, {"samples": torch.zeros(shape)})["samples"]

    return runs(host, sample)


def run(weights: dict, config: dict, positive, negative, latent) -> dict:
    import hostkit as kit
    from concord.hosts.comfy import host

    return {name: kit.sample(model, positive, negative, latent) for name, model in sdxl(host, kit.unet(sdxl=True, weights=weights, **config)).items()}


def check_another_pack_beside_ours() -> None:
    """A function of another pack at a site, before ours or after: what it adds to the model's own attention is kept, and ours too."""
    import hostkit as kit
    from concord.hosts.comfy import host

    def doubled(q, k, v, extra):
        from comfy.ldm.modules.attention import optimized_attention
        return optimized_attention(q, k, v, extra["n_heads"]) * 1.5

    model, clip, _ = host.practice_model()
    told, empty = host.encode_prompt(clip, TEXT), host.encode_prompt(clip, "")
    latent = {"samples": torch.zeros(1, 4, 16, 16)}
    regions = (Region(box=(0.0, 0.0, 0.5, 1.0), words="circle", prompt="a red circle"),)

    def foreign(m):
        m = m.clone()
        m.set_model_attn2_replace(doubled, "middle", 0, 0)
        return m

    for mode in ("region prompts", "paint with words", "forward guidance"):
        ours = lambda m, mode=mode: RegionGuidance.execute(m, clip, TEXT, regions, mode, 1.0, 0.0, 1.0).args[0]
        before, after, alone, theirs = (kit.sample(m, told, empty, latent) for m in (ours(foreign(model)), foreign(ours(model)), ours(model), foreign(model)))
        assert (before - after).abs().max() < 1e-5, mode
        assert (before - alone).abs().max() > 1e-4 and (before - theirs).abs().max() > 1e-4, mode
