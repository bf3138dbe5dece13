"""DDIM inversion and null-text in whole runs; the same code makes them in every host. `check_*`: what holds in ComfyUI alone."""
from __future__ import annotations

import torch
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.conditions.own_negative import NegativeTexts, own_negative
from concord.processors.latents.follow import follow_bank, start_at_bank
from concord.processors.rows import Lanes

PAIR = Lanes(((0, "source", 0), (1, "target", 0)))


def latents(host, encode, sample) -> dict[str, torch.Tensor]:
    """encode(text) -> CONDITIONING; sample(model, positive, negative, latent, steps, cfg, scheduler) -> latents, without adding noise."""
    model, positive, negative = host.practice_model()[0], encode("a red solid star"), encode("")
    picture = {"samples": torch.randn(2, 4, 12, 16, generator=torch.Generator().manual_seed(0)) * 0.6}
    one = {"samples": picture["samples"][:1]}
    aligned = host.attach(model, *style_aligned(), lanes=reference_lane())
    invert = lambda m=model, latent=one, scheduler="normal", cfg=1.0, eps_at="target": host.invert(m, latent, positive, negative, 3, scheduler, cfg, eps_at)
    bank = invert()
    made = {
        "target": bank.latents, "start": invert(eps_at="start").latents, "cfg 2, karras": invert(scheduler="karras", cfg=2.0).latents,
        "ddim_uniform": invert(scheduler="ddim_uniform").latents, "aligned": invert(aligned, picture).latents,
        "walked back": host.walk_back(model, bank, positive, negative),
    }
    noise_end = host.as_latent(model, bank.latents[0])
    pair = {"samples": noise_end["samples"].repeat(2, 1, 1, 1)}
    texts = host.null_text(model, bank, positive, negative, 3.0, 2)
    (said, meta), = positive
    own = own_negative(NegativeTexts(said[None].float().cpu(), pooled=meta.get("pooled_output")), also_targets=True)
    for name, edits, lanes, latent, cfg in (
        ("sampled again", (), None, noise_end, 1.0), ("with null-text", (own_negative(texts),), None, noise_end, 3.0),
        ("with its own prompt", (own,), PAIR, pair, 3.0),
        ("following", (*follow_bank(bank, hold=0.34), *start_at_bank(bank)), PAIR, {"samples": torch.zeros_like(pair["samples"])}, 3.0),
    ):
        made[name] = sample(host.attach(model, *edits, lanes=lanes), positive, negative, latent, 3, cfg, "normal")
    return made


def in_comfyui() -> dict[str, torch.Tensor]:
    from concord.hosts.comfy import host

    import nodes

    clip = host.practice_model()[1]

    def sample(model, positive, negative, latent, steps, cfg, scheduler):
        return nodes.common_ksampler(model, 1, steps, cfg, "euler", scheduler, positive, negative, latent, disable_noise=True)[0]["samples"]

    return latents(host, lambda text: nodes.CLIPTextEncode().encode(clip, text)[0], sample)


def in_diffusers() -> dict[str, torch.Tensor]:
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample as sampled

    clip = host.practice_model()[1]

    def sample(model, positive, negative, latent, steps, cfg, scheduler):
        return sampled(model, 1, steps, cfg, "euler", scheduler, positive, negative, latent, add_noise=False)["samples"]

    return latents(host, lambda text: clip.encode_from_tokens_scheduled(clip.tokenize(text)), sample)


def small(sdxl: bool = False):
    import hostkit as kit

    less = dict(channel_mult=[1, 2], num_res_blocks=[1, 1], transformer_depth=[1, 1], transformer_depth_output=[1] * 4)
    return kit.unet(sdxl=sdxl, **({} if sdxl else less)), kit.conditioning(1), kit.conditioning(2), {"samples": torch.randn(1, 4, 8, 8) * 0.5}


def check_weights_of_inference_mode_give_gradients_and_are_not_touched():
    """Nodes run in inference mode, where autograd refuses weights; both families."""
    from concord.hosts.comfy import host

    for sdxl in (False, True):
        model, positive, negative, latent = small(sdxl)
        network = model.model.diffusion_model
        assert torch.is_inference_mode_enabled() and all(weight.is_inference() for weight in network.parameters())
        bank = host.invert(model, latent, positive, negative, 2, "normal")
        before = {name: (weight, weight.clone()) for name, weight in network.named_parameters()}
        texts = host.null_text(model, bank, positive, negative, 4.0, 3)
        assert texts.texts.shape == (2, 1, 77, 64) and (texts.texts - negative[0][0]).abs().max() > 1e-3
        for name, weight in network.named_parameters():
            assert weight is before[name][0] and weight.grad is None and torch.equal(weight, before[name][1])
        assert "optimized_attention_override" not in model.model_options["transformer_options"]


def check_a_run_that_is_interrupted():
    import hostkit as kit
    from concord.hosts.comfy import host

    model, positive, negative, latent = small()
    bank = host.invert(model, latent, positive, negative, 3, "normal")
    for act in (lambda m: host.invert(m, latent, positive, negative, 3, "normal"), lambda m: host.null_text(m, bank, positive, negative, 4.0, 2)):
        assert kit.stopped(model, act) < 5
    assert torch.equal(host.invert(model, latent, positive, negative, 3, "normal").latents, bank.latents)


def check_other_weights_are_told():
    """Of LoRAs too, before the host has put them into the weights and after."""
    import hostkit as kit
    from concord.hosts.comfy import host
    from concord.hosts.comfy.weights import weights_of
    from concord.processors.errors import ConcordError

    model, positive, negative, latent = small()
    other = model.clone()
    other.add_patches({"diffusion_model.input_blocks.0.0.weight": ("diff", (torch.ones(32, 4, 3, 3) * 0.01,))}, 0.5)
    weaker = model.clone()
    weaker.add_patches({"diffusion_model.input_blocks.0.0.weight": ("diff", (torch.ones(32, 4, 3, 3) * 0.01,))}, 0.4)
    names = weights_of(model), weights_of(other), weights_of(weaker)
    assert len(set(names)) == 3
    bank = host.invert(other, latent, positive, negative, 3, "normal")
    assert (weights_of(model), weights_of(other), weights_of(weaker)) == names and bank.weights == names[1]
    follow = lambda m: kit.sample(host.attach(m, *follow_bank(bank), lanes=PAIR), positive, negative, torch.zeros(2, 4, 8, 8))
    assert torch.allclose(follow(other)[:1], latent["samples"], atol=1e-5)
    try:
        follow(model)
        raise AssertionError("was accepted")
    except ConcordError as error:
        assert "other weights" in str(error)


def check_the_node():
    import hostkit as kit

    model, positive, negative, latent = small()
    noise, bank, back, error, report = kit.run_node("Concord_DDIMInversion", model=model, positive=positive, negative=negative, latent=latent, steps=4,
                                                    scheduler="normal", cfg=1.0, eps_at="start of the step")
    again = kit.sample(model, positive, negative, noise, steps=4, cfg=1.0, disable_noise=True)
    assert (again - back["samples"]).abs().max() < 1e-4 * back["samples"].abs().max() and f"{error:.1%}" in report and error > 0
    for method in ("null-text optimisation", "source prompt as negative", "off"):
        made, = kit.run_node("Concord_NullText", model=model, positive=positive, negative=negative, bank=bank, cfg=3.0, method=method, tries=1, rate=0.05,
                             negative_for="source only", source_latents="overwrite from the inversion")
        assert len(made.model_options["transformer_options"]["concord"].edits) == 2 + (method != "off")
