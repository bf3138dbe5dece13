"""Guidance by gradients in whole runs; the same code makes them in every host."""
from __future__ import annotations

import torch
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.latents.guidance.attend_and_excite import attend_and_excite
from concord.processors.latents.guidance.backward import backward_guidance
from concord.processors.latents.guidance.box_diff import box_diff
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.regions import Region

AIMS = ((Region(box=(0.0, 0.1, 0.5, 0.9), words="one"), (4,)), (Region(box=(0.5, 0.0, 1.0, 0.6), words="other", strength=0.8), (11, 12)))
FINE = frozenset({0, 1, 13, 14, 15})  # cross-attentions of the practice model that see enough cells
SOME = dict(iterations=2, thresholds=((0.0, 0.9), (0.3, 0.95)), window=(0.0, 0.8))
MODES = {
    "backward": lambda **how: backward_guidance(AIMS, **{"strength": 0.2, "window": (0.0, 0.8), "iterations": 2, **how}),
    "box_diff": lambda **how: box_diff(AIMS, **{"strength": 0.2, **SOME, **how}),
    "attend_and_excite": lambda **how: attend_and_excite(AIMS, **{"strength": 0.2, **SOME, **how}),
}


FEW = (*MODES, "everything")  # beside the one with a mask


def latents(host, encode, sample, thorough: bool) -> dict[str, torch.Tensor]:
    """The whole list, or a few of it. encode(text) -> CONDITIONING; sample(model, positive, negative, latent, cfg, sampler) -> LATENT."""
    model, positive, negative = host.practice_model()[0], encode("a red circle on the left and a blue star on the right"), encode("")
    guided = lambda name, m=model, **how: host.attach(m, *MODES[name](layers=FINE, **how))
    both = host.attach(guided("backward"), *MODES["attend_and_excite"](layers=FINE))
    hint = torch.zeros(1, 128, 128, 3)
    hint[:, 30:90, 30:33] = 1.0
    controlled = host.apply_control(positive, negative, host.practice_control_net(), hint, ControlResiduals(strength=0.8))
    windows = lambda m: host.attach(m, *multidiffusion((16, 16), (8, 8)))
    aligned = host.attach(model, *style_aligned(), lanes=reference_lane())
    area = [[text, {**meta, "area": (12, 20, 2, 6), "strength": 1.0}] for text, meta in encode("a green heart")]
    plain, wide = (2, 4, 16, 16), (1, 4, 16, 24)
    cases = {name: (guided(name), positive, negative, plain) for name in MODES}
    cases |= {
        "two at once": (both, positive, negative, plain), "cfg 1": (guided("backward"), positive, negative, plain, 1.0),
        "heun": (guided("box_diff"), positive, negative, plain, 4.0, "heun"), "odd sizes": (guided("box_diff"), positive, negative, (1, 4, 13, 19)),
        "ancestral": (guided("backward"), positive, negative, plain, 4.0, "euler_ancestral"),
        "controlled": (guided("backward"), *controlled, plain), "aligned": (guided("backward", aligned), positive, negative, plain),
        "windows": (guided("backward", windows(model)), positive, negative, wide), "area": (guided("backward"), positive + area, negative, (1, 4, 16, 28)),
        "everything": (guided("backward", windows(aligned)), *controlled, (2, 4, 16, 24)),
        "the authors' layers": (host.attach(model, *MODES["backward"]()), positive, negative, plain),
    }
    cases = {name: case for name, case in cases.items() if thorough or name in FEW}
    made = {name: sample(*case[:3], {"samples": torch.zeros(case[3])}, *(case[4:] or (4.0,)))["samples"] for name, case in cases.items()}
    masked = {"samples": torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.5, "noise_mask": torch.ones(1, 1, 128, 128).tril()}
    return made | {"masked": sample(guided("backward"), positive, negative, masked, 4.0)["samples"]}


def in_comfyui(thorough: bool = False) -> dict[str, torch.Tensor]:
    from concord.hosts.comfy import host

    import nodes

    clip = host.practice_model()[1]

    def sample(model, positive, negative, latent, cfg, sampler="euler"):
        return nodes.common_ksampler(model, 1, 3, cfg, sampler, "normal", positive, negative, latent)[0]

    return latents(host, lambda text: nodes.CLIPTextEncode().encode(clip, text)[0], sample, thorough)


def in_diffusers(thorough: bool = False) -> dict[str, torch.Tensor]:
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample as sampled

    clip = host.practice_model()[1]

    def sample(model, positive, negative, latent, cfg, sampler="euler"):
        return sampled(model, 1, 3, cfg, sampler, "normal", positive, negative, latent)

    return latents(host, lambda text: clip.encode_from_tokens_scheduled(clip.tokenize(text)), sample, thorough)


def sdxl_setups(host, model) -> dict:
    return {name: host.attach(model, *edits()) for name, edits in MODES.items()}


def sdxl(weights: dict, config: dict, positive, negative, latent) -> dict:
    import hostkit as kit
    from concord.hosts.comfy import host

    model = kit.unet(sdxl=True, weights=weights, **config)
    return {name: kit.sample(m, positive, negative, latent) for name, m in sdxl_setups(host, model).items()}
