"""MultiDiffusion in all its forms through its nodes, on the practice model: whole runs that every host makes."""
from __future__ import annotations

import torch
from concord.nodes.apply_control_net import ApplyControlNet
from concord.nodes.multidiffusion import MultiDiffusion
from concord.nodes.multidiffusion_regions import MultiDiffusionRegions
from concord.nodes.style_aligned import StyleAligned
from concord.processors.regions import Region

WIDE = (16, 28)
REGIONS = (Region(box=(0.0, 0.1, 0.45, 0.95), prompt="a solid red circle"),
           Region(box=(0.4, 0.2, 0.95, 0.9), prompt="a solid blue star", negative="a circle", strength=0.7))


def in_windows(model, stride: int = 64, fusion: str = "uniform", wrap=(False, False), span=(0.0, 1.0), **more):
    return MultiDiffusion.execute(model, 0, 0, stride, fusion, *wrap, *span, **more).args[0]


def in_regions(model, positive, negative, regions=REGIONS, until: float = 0.5, **more):
    return MultiDiffusionRegions.execute(model, positive, negative, regions, until, 3, **more).args


def controlled(host, positive, negative, strength: float = 0.8):
    hint = torch.zeros(1, 128, 224, 3)
    hint[:, 30:100, 40:44] = hint[:, 30:34, 40:180] = 1
    return ApplyControlNet.execute(positive, negative, host.practice_control_net(), hint, strength, 0.0, 1.0).args[:2]


def latents(host, sample) -> dict[str, torch.Tensor]:
    """sample(model, positive, negative, latent, sampler, denoise) -> LATENT"""
    model, clip, vae = host.practice_model()
    encode = lambda text: host.encode_prompt(clip, text)
    prompts = encode("a blue background"), encode("")
    picture = {"samples": torch.linspace(-1, 1, 4 * 6 * 6).view(1, 4, 6, 6)}
    batch = lambda n=1, size=WIDE: {"samples": torch.zeros(n, 4, *size)}
    told = dict(clip=clip, vae=vae)
    aligned = StyleAligned.execute(model=model, share_attention=True, adain="queries and keys", reference_scale=1.0, shift=0.0, reference=0,
                                   start_percent=0.0, end_percent=1.0).args[0]
    moved = lambda m: in_windows(m, 96, "cosine", jitter=True, jitter_seed=4)
    cases = {
        "cosine, moved": (moved(model), *prompts, batch()),
        "linear, around, two strides": (in_windows(model, 96, "linear", (True, True), stride_y=64, feather=32, views_per_call=2), *prompts, batch(1, (20, 28))),
        "regions": (*in_regions(model, *prompts, **told), batch()),
        "regions without a VAE": (*in_regions(model, *prompts, clip=clip), batch()),
        "regions without bootstrapping": (*in_regions(model, *prompts, until=0.0, **told), batch()),
        "regions in windows": (*in_regions(moved(model), *prompts, **told), batch(2)),
        "regions before a picture": (*in_regions(model, *prompts, clip=clip, background=picture), batch()),
        "regions of a style, with a hint": (*in_regions(in_windows(aligned), *controlled(host, *prompts), **told), batch(2)),
    }
    made = {name: sample(*case, "euler", 1.0)["samples"] for name, case in cases.items()}
    picture = {"samples": made["cosine, moved"], "noise_mask": torch.ones(1, 1, 128, 224).index_fill(3, torch.arange(90), 0.0)}
    made["refined"] = sample(in_windows(model, fusion="linear"), *controlled(host, *prompts), picture, "euler_ancestral", 0.6)["samples"]
    made["regions, refined"] = sample(*in_regions(in_windows(model), *prompts, **told), picture, "dpmpp_2m", 0.6)["samples"]
    return made


def in_diffusers() -> dict[str, torch.Tensor]:
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample as sampled

    return latents(host, lambda model, positive, negative, latent, sampler, denoise:
                   sampled(model, 1, 3, 4.0, sampler, "normal", positive, negative, latent, denoise=denoise))


def comfy_parts():
    from concord.hosts.comfy import host

    import nodes

    return host, lambda model, positive, negative, latent, sampler, denoise: nodes.common_ksampler(
        model, 1, 3, 4.0, sampler, "normal", positive, negative, latent, denoise=denoise)[0]


def in_comfyui() -> dict[str, torch.Tensor]:
    return latents(*comfy_parts())
