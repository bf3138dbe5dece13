"""Whole runs of the practice model with the techniques in many situations; the same code makes them in every host."""
from __future__ import annotations

import torch
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion

PROMPT = "a red striped circle on the left on a blue background"
STAR = "a red solid star"


def latents(host, encode, sample) -> dict[str, torch.Tensor]:
    """encode(text) -> CONDITIONING; sample(model, positive, negative, shape, steps, cfg, sampler) -> latents from seed 1."""
    model = host.practice_model()[0]
    prompt, empty, star = encode(PROMPT), encode(""), encode(STAR)
    aligned = lambda m, **how: host.attach(m, *style_aligned(**how), lanes=reference_lane())
    panorama = lambda m, **how: host.attach(m, *multidiffusion((16, 16), (8, 8), **how))
    with_keys = lambda conditioning, **keys: [[text, {**meta, **keys}] for text, meta in conditioning]
    hint = torch.zeros(1, 128, 128, 3)
    hint[:, 30:90, 30:33] = hint[:, 30:90, 90:93] = 1.0
    controlled = lambda positive, **how: host.apply_control(positive, empty, host.practice_control_net(), hint, ControlResiduals(**how))
    area, mask = with_keys(star, area=(12, 20, 2, 6), strength=1.0), with_keys(star, mask=torch.ones(1, 16, 40).tril(8), mask_strength=0.7)
    shifted = dict(adain="qkv", shift=0.7, scale=0.9, window=(0.1, 0.7))
    small, wide = (3, 4, 16, 16), (2, 4, 16, 32)
    cases = {
        "plain": (model, prompt, empty, small),
        "aligned": (aligned(model), prompt, empty, small),
        "aligned otherwise": (aligned(model, **shifted), prompt, empty, small),
        "aligned at cfg 1": (aligned(model), prompt, empty, small, 3, 1.0),
        "aligned, 154 tokens and 77": (aligned(model), encode(" ".join([STAR] * 25)), empty, small),
        "aligned, two positives with an area": (aligned(model), prompt + area, empty, (2, 4, 16, 30)),
        "windows": (panorama(model), prompt, empty, wide, 2),
        "windows, gaussian, all around": (panorama(model, fusion="gaussian", wrap=(False, True)), prompt, empty, wide, 2),
        "windows, odd sizes": (panorama(aligned(model)), prompt, empty, (2, 4, 19, 27), 2),
        "windows, area and mask": (panorama(aligned(model)), prompt + area + mask, empty, (2, 4, 16, 40), 2),
        "windows all around, area": (panorama(model, wrap=(False, True)), prompt + area, empty, (1, 4, 16, 40), 2),
        "controlled": (model, *controlled(prompt, strength=0.8, window=(0.0, 0.6)), small),
        "controlled twice": (
            model, *host.apply_control(*controlled(prompt, strength=0.8), host.practice_control_net(), hint.flip(1), ControlResiduals(strength=0.4)), small),
        "all three": (panorama(aligned(model)), *controlled(prompt, strength=0.8, window=(0.0, 0.6)), wide),
        "all three, ancestral": (panorama(aligned(model)), *controlled(prompt, strength=0.8), wide, 2, 4.0, "euler_ancestral"),
    }
    made = {name: run(sample, *case) for name, case in cases.items()}
    made["all three, other order"] = run(sample, aligned(panorama(model)), *controlled(prompt, strength=0.8, window=(0.0, 0.6)), wide)
    return made


def run(sample, model, positive, negative, shape, steps=3, cfg=4.0, sampler="euler") -> torch.Tensor:
    return sample(model, positive, negative, shape, steps, cfg, sampler)


def in_comfyui() -> dict[str, torch.Tensor]:
    from concord.hosts.comfy import host

    import nodes

    clip = host.practice_model()[1]

    def sample(model, positive, negative, shape, steps, cfg, sampler):
        return nodes.common_ksampler(model, 1, steps, cfg, sampler, "normal", positive, negative, {"samples": torch.zeros(shape)})[0]["samples"]

    return latents(host, lambda text: nodes.CLIPTextEncode().encode(clip, text)[0], sample)


def in_diffusers() -> dict[str, torch.Tensor]:
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample as sampled

    clip = host.practice_model()[1]

    def sample(model, positive, negative, shape, steps, cfg, sampler):
        return sampled(model, 1, steps, cfg, sampler, "normal", positive, negative, {"samples": torch.zeros(shape)})["samples"]

    return latents(host, lambda text: clip.encode_from_tokens_scheduled(clip.tokenize(text)), sample)
