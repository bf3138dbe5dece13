"""Techniques whose pictures look at one another (StyleAligned in all its forms, MasaCtrl, AdaIN) through their nodes, on the practice model: whole runs
that every host makes, and what has to hold inside ComfyUI."""
from __future__ import annotations

import torch
from concord.nodes.feature_adain import FeatureAdaIN
from concord.nodes.latent_adain import LatentAdaIN
from concord.nodes.masactrl import MasaCtrl
from concord.nodes.multidiffusion import MultiDiffusion
from concord.nodes.style_aligned import StyleAligned

LEFT, RIGHT = "a red striped circle on the left on a blue background", "a red striped circle on the right on a blue background"
WHOLE, OWN = "the same place of the reference", "all of a reference of its own"


def side(right: bool) -> torch.Tensor:
    mask = torch.zeros(1, 128, 128)
    mask[..., 64 * right : 64 + 64 * right] = 1
    return mask


def aligned(model, **how):
    settings = dict(share_attention=True, adain="queries and keys", reference_scale=1.0, shift=0.0, reference=0, start_percent=0.0, end_percent=1.0)
    return StyleAligned.execute(model=model, **{**settings, **how}).args[0]


def adained(model, **how):
    settings = dict(features="values", mode="mean and deviation", strength=0.8, reference=0, start_percent=0.0, end_percent=0.9)
    return FeatureAdaIN.execute(model=model, **{**settings, **how}).args[0]


def mutual(model, encode, pictures: int = 1, size=(16, 16), texts=(LEFT, RIGHT), **how):
    """-> model, positive, latent"""
    settings = dict(variant="plain", start_percent=0.08, end_percent=1.0, branches="both", layers="8-15")
    batch = {"samples": torch.zeros(pictures, 4, *size)}
    return MasaCtrl.execute(model=model, source=encode(texts[0]), target=encode(texts[1]), latent=batch, **{**settings, **how}).args


def words(clip, **how):
    return dict(variant="words", clip=clip, source_text=LEFT, target_text=RIGHT, source_words="circle", threshold=0.3, **how)


def latents(host, encode, sample) -> dict[str, torch.Tensor]:
    """encode(text) -> CONDITIONING; sample(model, positive, negative, latent, steps, cfg, sampler) -> LATENT."""
    model, clip, _ = host.practice_model()
    star, empty = encode("a solid star"), encode("")
    batch = lambda n, h=16, w=16: {"samples": torch.zeros(n, 4, h, w)}
    windows = lambda m: MultiDiffusion.execute(m, 0, 0, 64, "uniform", False, False, 0.0, 1.0).args[0]
    picture = sample(model, star, empty, batch(1), 3, 4.0, "euler")
    bank = host.invert(model, picture, star, empty, 3, "normal")
    cases = {
        "plain": (model, star, batch(3)),
        "group norms": (aligned(model, share_group_norm=True), star, batch(3)),
        "group norms, windows": (windows(aligned(model, share_group_norm=True)), star, batch(2, 16, 28)),
        "some layers": (aligned(model, own_layers=0.6, reference=1), star, batch(3)),
        "everyone": (aligned(model, full_sharing=True), star, batch(3, 13, 19)),
        "a real reference": (aligned(model, bank=bank, bank_hold=0.34, shift=0.7), star, batch(3)),
        "a reference of its own": (windows(aligned(model, panorama=OWN, share_group_norm=True)), star, batch(2, 16, 28)),
        "a real reference of its own": (windows(aligned(model, panorama=OWN, bank=bank)), star, batch(2, 16, 28)),
        "values": (adained(model), star, batch(3)),
        "outputs, masked": (adained(model, features="output of both attentions", mask=side(True), reference_mask=side(False)), star, batch(3)),
        "means of a real reference": (adained(model, features="keys and values", mode="mean", layers="4-12", bank=bank), star, batch(2)),
        "masactrl": mutual(model, encode),
        "masactrl, two groups, union": mutual(model, encode, 2, (13, 19), variant="union"),
        "masactrl, masks": mutual(model, encode, variant="masks", source_mask=side(False), target_mask=side(True)),
        "masactrl, words": mutual(model, encode, 2, **words(clip)),
        "masactrl, words, windows": (lambda m, p, latent: (windows(m), p, latent))(*mutual(model, encode, size=(16, 28), **words(clip))),
        "masactrl, positive only": mutual(model, encode, branches="positive only"),
        "masactrl, a real source": mutual(model, encode, texts=("a solid star", RIGHT), bank=bank),
        "masactrl beside a style": (lambda m, p, latent: (aligned(m, reference=2), p, latent))(*mutual(model, encode, beside=star, **words(clip))),
    }
    made = {name: sample(m, positive, empty, latent, 3, 4.0, "euler")["samples"] for name, (m, positive, latent) in cases.items()}
    made["masactrl, words, cfg 1"] = sample(*(lambda m, p, latent: (m, p, empty, latent))(*mutual(model, encode, **words(clip))), 3, 1.0, "euler")["samples"]
    made["group norms, ancestral"] = sample(aligned(model, share_group_norm=True), star, empty, batch(3), 3, 4.0, "dpmpp_2m")["samples"]
    like, other = {"samples": made["plain"]}, {"samples": made["values"]}
    made["latent"] = LatentAdaIN.execute(picture, like, "mean and deviation", 0.8, side(True), None, other, 0.3).args[0]["samples"]
    return made


def in_diffusers() -> dict[str, torch.Tensor]:
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample as sampled

    clip = host.practice_model()[1]

    def sample(model, positive, negative, latent, steps, cfg, sampler):
        return sampled(model, 1, steps, cfg, sampler, "normal", positive, negative, latent)

    return latents(host, lambda text: host.encode_prompt(clip, text), sample)


def comfy_parts():
    from concord.hosts.comfy import host

    import nodes

    clip = host.practice_model()[1]

    def sample(model, positive, negative, latent, steps, cfg, sampler):
        return nodes.common_ksampler(model, 1, steps, cfg, sampler, "normal", positive, negative, latent)[0]

    return host, lambda text: host.encode_prompt(clip, text), sample


def in_comfyui() -> dict[str, torch.Tensor]:
    return latents(*comfy_parts())


def differs(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def check_one_entry_a_call_is_the_same():
    """Where memory is short, the host runs the negative first; MasaCtrl's words need the positive before it."""
    host, encode, sample = comfy_parts()
    model, clip, _ = host.practice_model()
    empty = encode("")
    cases = {"words": mutual(model, encode, 2, **words(clip)),
             "masks": mutual(model, encode, variant="masks", source_mask=side(False), target_mask=side(True)),
             "norms": (aligned(model, share_group_norm=True), encode("a star"), {"samples": torch.zeros(3, 4, 16, 16)})}
    for name, (edited, positive, latent) in cases.items():
        together = sample(edited, positive, empty, latent, 2, 4.0, "euler")["samples"]
        model.model.memory_required = lambda *args, **kwargs: 1e18
        try:
            apart = sample(edited, positive, empty, latent, 2, 4.0, "euler")["samples"]
        finally:
            del model.model.memory_required
        assert differs(apart, together) < 1e-4, name


def check_neutral_is_nothing_to_the_bit():
    host, encode, sample = comfy_parts()
    model, clip, _ = host.practice_model()
    batch, star, empty = {"samples": torch.zeros(3, 4, 16, 16)}, encode("a star"), encode("")
    plain = sample(model, star, empty, batch, 2, 4.0, "euler")["samples"]
    for edited in (aligned(model, share_attention=False, adain="off"), aligned(model, own_layers=1.0), adained(model, strength=0.0)):
        assert torch.equal(sample(edited, star, empty, batch, 2, 4.0, "euler")["samples"], plain)
    for variant in (dict(variant="union"), words(clip)):
        edited, positive, latent = mutual(model, encode, **{**variant, "start_percent": 1.0})
        assert edited.model_options.get("transformer_options", {}) == model.model_options.get("transformer_options", {})
        out, expected = (sample(m, positive, empty, latent, 2, 4.0, "euler")["samples"] for m in (edited, model))
        assert torch.equal(out, expected)


def check_a_b_a_leaves_no_trace():
    host, encode, sample = comfy_parts()
    model, batch, star, empty = host.practice_model()[0], {"samples": torch.zeros(3, 4, 16, 16)}, encode("a star"), encode("")
    edited = aligned(model, share_group_norm=True)
    runs = [sample(m, star, empty, batch, 2, 4.0, "euler")["samples"] for m in (model, edited, model, edited)]
    assert torch.equal(runs[0], runs[2]) and torch.equal(runs[1], runs[3]) and differs(runs[1], runs[0]) > 1e-3


def check_the_giver_is_as_in_its_single_run():
    """Measured in a batch of the same size: the host's kernels round differently for others."""
    host, encode, sample = comfy_parts()
    model, clip, _ = host.practice_model()
    star, empty, batch = encode("a star"), encode(""), {"samples": torch.zeros(3, 4, 16, 16)}
    alone = sample(model, star, empty, batch, 3, 4.0, "euler")["samples"]
    for edited in (aligned(model, share_group_norm=True), adained(model, features="output of both attentions")):
        assert differs(sample(edited, star, empty, batch, 3, 4.0, "euler")["samples"][:1], alone[:1]) < 1e-5
    _, positive, latent = mutual(model, encode)
    alone = sample(model, positive, empty, latent, 3, 4.0, "euler")["samples"]
    for how in (dict(variant="union"), words(clip), dict(layers="0-15", start_percent=0.0)):
        edited, positive, latent = mutual(model, encode, **how)
        out = sample(edited, positive, empty, latent, 3, 4.0, "euler")["samples"]
        assert differs(out[:1], alone[:1]) < 1e-5 and differs(out[1:], alone[1:]) > 1e-3, how


def check_the_same_prompt_gives_the_same_picture():
    host, encode, sample = comfy_parts()
    model, empty = host.practice_model()[0], encode("")
    edited, positive, latent = mutual(model, encode, texts=(LEFT, LEFT), layers="0-15", start_percent=0.0)
    out = sample(edited, positive, empty, latent, 3, 4.0, "euler")["samples"]
    assert torch.equal(out[0], out[1])
