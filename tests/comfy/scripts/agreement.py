"""Whole runs of the practice model with the techniques in many situations; the same code makes them in every host."""
from __future__ import annotations

from dataclasses import replace

import torch
from concord.model_loaders.image_adapter import read_image_adapter
from concord.nodes.decoupled_cross_attn import DecoupledCrossAttn
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
    adapter = host.practice_adapter()
    plus = replace(read_image_adapter(plus_tensors(), "random plus"), vision=adapter.vision)
    pictured = lambda m, what=adapter, images=1, weight=0.8, **how: seeing(m, what, pictures(images), weight, **how)
    each = dict(images=4, combine="one per picture", mask=pictures(4)[..., 0].round(), weight_curve="0:1, 1:0.3", embeds_scaling="K+V")
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
    cases |= {
        "pictured": (pictured(model), prompt, empty, small),
        "pictured, plus": (pictured(model, plus, 2, weight_type="strong middle"), prompt, empty, small),
        "pictured, plus, with a negative": (pictured(model, plus, image_negative=pictures(1).flip(2), crop="squash"), prompt, empty, small),
        "pictured at cfg 1": (pictured(model), prompt, empty, small, 3, 1.0),
        "pictured one each, masked, odd sizes": (pictured(model, **each), prompt, empty, (4, 4, 13, 19)),
        "pictured, prompts of 154 and 77, two positives with an area": (pictured(model), encode(" ".join([STAR] * 25)) + area, empty, (2, 4, 16, 30)),
        "pictured windows": (panorama(pictured(model, mask=pictures(1)[..., 0])), prompt, empty, wide, 2),
        "all four": (pictured(panorama(aligned(model))), *controlled(prompt, strength=0.8, window=(0.0, 0.6)), wide, 2),
        "all four, other order": (aligned(panorama(pictured(model))), *controlled(prompt, strength=0.8, window=(0.0, 0.6)), wide, 2),
    }
    made = {name: run(sample, *case) for name, case in cases.items()}
    made["all three, other order"] = run(sample, aligned(panorama(model)), *controlled(prompt, strength=0.8, window=(0.0, 0.6)), wide)
    return made


def pictures(count: int) -> torch.Tensor:
    """[count, 96, 128, 3]: smooth random colours."""
    few = torch.rand(count, 3, 5, 7, generator=torch.Generator().manual_seed(count))
    return torch.nn.functional.interpolate(few, (96, 128), mode="bilinear").movedim(1, -1)


def plus_tensors() -> dict[str, torch.Tensor]:
    """An adapter of the "plus" kind for the practice model, with random weights."""
    attention = {"to_q.weight": (64, 64), "to_kv.weight": (128, 64), "to_out.weight": (64, 64)}
    norms = [f"layers.{n}.{part}" for n in range(2) for part in ("0.norm1", "0.norm2", "1.0")] + ["norm_out"]
    linear = {f"{name}.{side}": (64, 64) if side == "weight" else (64,) for name in ("proj_in", "proj_out") for side in ("weight", "bias")}
    shapes = {"latents": (1, 6, 64), **linear, **{f"layers.{n}.0.{name}": shape for n in range(2) for name, shape in attention.items()},
              **{f"layers.{n}.1.{place}.weight": shape for n in range(2) for place, shape in ((1, (256, 64)), (3, (64, 256)))}}
    shapes = {f"image_proj.{name}": shape for name, shape in shapes.items()}
    shapes |= {f"ip_adapter.{2 * n + 1}.to_{letter}_ip.weight": (64, 64) for n in range(16) for letter in "kv"}
    generator = torch.Generator().manual_seed(9)
    made = {name: torch.randn(shape, generator=generator) / shape[-1] ** 0.5 for name, shape in shapes.items()}
    return made | {f"image_proj.{name}.{side}": torch.full((64,), value) for name in norms for side, value in (("weight", 1.0), ("bias", 0.0))}


def seeing(model, adapter, image, weight, weight_type="linear", combine="concat", embeds_scaling="V only", **more):
    """Through the node itself."""
    return DecoupledCrossAttn.execute(model, adapter, image, weight, weight_type, combine, embeds_scaling, 0.0, 0.9, **more).args[0]


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
