"""What word maps and LocalBlend see and do in whole runs of the practice model; the same code makes them in every host."""
from __future__ import annotations

import torch
from concord.nodes.attention_maps import AttentionMaps
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.conditions.lanes import roles
from concord.processors.latents.local_blend import local_blend
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.words import positions

TEXT = "a red striped circle on the left and a blue solid star on the right"
OTHER = "a red striped circle on the left and a green solid star on the right"
LONG = " ".join(["a red circle and"] * 30) + " a star"


def runs(host, sample) -> dict[str, torch.Tensor]:
    """sample(model, positive, negative, shape, **settings) -> latents from seed 1; gives maps and latents by name."""
    model, clip, _ = host.practice_model()
    told, other, empty, long = (host.encode_prompt(clip, text) for text in (TEXT, OTHER, "", LONG))
    area = [[tokens, {**keys, "area": (12, 20, 2, 6), "strength": 1.0}] for tokens, keys in told]
    windows = lambda m: host.attach(m, *multidiffusion((16, 16), (8, 8)))
    made: dict[str, torch.Tensor] = {}

    def see(name, model, positive, shape, text=TEXT, words="striped circle, star", **settings) -> None:
        watched, maps = AttentionMaps.execute(model, clip, text, words, 0.1, 0.9, settings.pop("layers", ""), settings.pop("prompt_number", 0)).args
        made[name] = sample(watched, positive, empty, shape, **settings)
        made.update({f"{name}, {h} x {w}": found * often for (h, w), (found, often) in maps.found.items()})

    see("batch", model, told, (4, 4, 16, 16))
    see("odd size", model, told, (1, 4, 13, 19), layers="3-9, 12")
    see("cfg 1", model, told, (1, 4, 16, 16), cfg=1.0)
    see("154 tokens", model, long, (1, 4, 16, 16), LONG, "star, circle")
    see("every word", model, told, (1, 4, 16, 16), words="")
    see("windows", windows(host.attach(model, *style_aligned(), lanes=reference_lane())), told, (2, 4, 16, 32))
    see("an area of windows", windows(model), other + area, (1, 4, 16, 40), prompt_number=1)
    see("ancestral", model, told, (1, 4, 16, 16), sampler="euler_ancestral")

    told_apart = [[torch.cat([told[0][0], other[0][0]]), told[0][1]]]
    source, target = (host.read_prompt(clip, text) for text in (TEXT, OTHER))
    places, kept = (positions(source, "star"), positions(target, "green")), (positions(source, "circle"),) * 2
    blends = {"blended": local_blend(places, threshold=0.6), "blended late": local_blend(places, threshold=0.6, start=0.5),
              "blended, words kept": local_blend(places, kept, 0.6, 0.6)}
    blends["edited and blended"] = (*prompt_to_prompt(source, [target], "replace"), *blends["blended"])
    for name, edits in blends.items():
        made[name] = sample(host.attach(model, *edits, lanes=roles(1, 1)), told_apart, empty, (2, 4, 16, 16), steps=5)
    return made


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
