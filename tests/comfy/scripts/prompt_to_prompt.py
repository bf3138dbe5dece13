"""Prompt-to-Prompt's node on the practice model, alone and with the other techniques; the same code makes the runs in every host."""
from __future__ import annotations

import torch
from concord.nodes.prompt_to_prompt import PromptToPrompt
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.conditions.lanes import grouped, one_per_sample, roles
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion

SOURCE = "a red circle on the left on a blue background"
SWAP = "a green star on the left on a blue background\na (red:1.3) circle on the left on a yellow background"
MORE = "a striped red circle on the left on a sketch of a blue background\na red circle on the left"
LONG = " ".join(["a red circle and"] * 25)
PLAIN = dict(cross_replace="default:0-0.8, green:0-0.4, blue:0.2-0.7", layout_start=0.0, layout_end=0.5, layout_layers="middle (32 x 32)")


def told(model, clip, latent, source=SOURCE, targets=SWAP, mode="replace", **settings) -> tuple:
    """model, positive, latent, words"""
    return PromptToPrompt.execute(model, clip, latent, source, targets, mode, **{**PLAIN, **settings}).args


def latents(host, sample) -> dict[str, torch.Tensor]:
    """sample(model, positive, negative, latent, cfg, sampler) -> latents of three steps from seed 1."""
    model, clip, _ = host.practice_model()
    empty = host.encode_prompt(clip, "")
    latent = lambda groups=1, h=16, w=16: {"samples": torch.zeros(groups, 4, h, w)}
    hint = torch.zeros(1, 128, 128, 3)
    hint[:, 30:90, 30:33] = hint[:, 30:90, 90:93] = 1.0
    nodes = {
        "style": lambda m: host.attach(m, *style_aligned(), lanes=reference_lane(2)),
        "windows": lambda m: host.attach(m, *multidiffusion((16, 16), (8, 8))),
        "picture": lambda m: host.attach(m, *image_prompt(random(7), random(8), weight=0.6)),
    }

    def run(after=(), before=(), canvas=None, controlled=False, cfg=4.0, sampler="euler", **settings):
        m = model
        for name in before:
            m = nodes[name](m)
        m, positive, lanes, _ = told(m, clip, canvas or latent(), **settings)
        for name in after:
            m = nodes[name](m)
        told_both = host.apply_control(positive, empty, host.practice_control_net(), hint, ControlResiduals(strength=0.7)) if controlled else (positive, empty)
        return sample(m, *told_both, lanes, cfg, sampler)

    some = dict(targets="a green star on the left on a blue background", beside="a yellow square")
    return {
        "replace": run(),
        "refine": run(mode="refine", targets=MORE, cross_replace="default:0-0.8, striped:0-0.4"),
        "reweight": run(mode="reweight", targets=f"{SOURCE}\n{SOURCE}", cross_replace="default:0-1", word_weights="red:3, blue:-1"),
        "refine and reweight": run(mode="refine", targets=MORE, cross_replace="", word_weights="striped:2, blue background:0.3"),
        "two groups, odd sizes": run(canvas=latent(2, 13, 19)),
        "cfg 1": run(cfg=1.0),
        "ancestral": run(sampler="euler_ancestral"),
        "154 tokens": run(mode="refine", source=LONG, targets=f"{LONG} star\na red circle", cross_replace="default:0-0.8, star:0-0.2"),
        "blended": run(blend_words="red, green, circle, star", keep_words="background", blend_start=0.0, blend_threshold=0.5),
        "controlled": run(controlled=True),
        "with style": run(["style"], **some),
        "with windows": run(["windows"], canvas=latent(1, 16, 24), **some),
        "with a picture": run(["picture"], **some),
        "with all": run(["style", "windows", "picture"], canvas=latent(1, 16, 24), controlled=True, **some),
        "with all, other order": run(["picture"], ["windows", "style"], canvas=latent(1, 16, 24), controlled=True, **some),
        "like its source": run(targets=f"{SOURCE}\n{SOURCE}", cross_replace="default:0-0.8"),
    }


def random(seed: int) -> torch.Tensor:
    return torch.randn(1, 4, 64, generator=torch.Generator().manual_seed(seed))


def edited_sdxl(host, model, clip, texts) -> tuple:
    """model, positive and latent of a pair on a network with SDXL's block numbering; texts: a conditioning for each of the two prompts."""
    source, target = (host.read_prompt(clip, text) for text in ("a red cat on a hill", "a red fluffy cat on a hill"))
    edits = prompt_to_prompt(source, [target], "refine", 2, "default:0-0.8, red:0-0.4", weights="fluffy:2")
    return host.attach(model, *edits, lanes=roles(2, 1)), one_per_sample(texts, 2), grouped({"samples": torch.zeros(2, 4, 8, 12)}, 2)


def in_comfyui() -> dict[str, torch.Tensor]:
    from concord.hosts.comfy import host

    import nodes

    def sample(model, positive, negative, latent, cfg, sampler):
        return nodes.common_ksampler(model, 1, 3, cfg, sampler, "normal", positive, negative, latent)[0]["samples"]

    return latents(host, sample)


def sdxl(weights: dict, config: dict, texts: list, negative: list) -> torch.Tensor:
    import hostkit as kit
    from concord.hosts.comfy import host

    model, positive, latent = edited_sdxl(host, kit.unet(sdxl=True, weights=weights, **config), kit.clip(), texts)
    return kit.sample(model, positive, negative, latent)


def check_the_tokens_of_weighted_and_long_prompts():
    """Both hosts read texts alike: tests/test_words.py has the same numbers."""
    import hostkit as kit
    from concord.hosts.comfy import host
    from concord.processors.words import positions, words

    clip = kit.clip()
    read = host.read_prompt(clip, "a (red:1.3) cat, sitting on ((skate)boards) \\(mat\\)")
    assert words(read) == ("a", "red", "cat,", "sitting", "on", "skateboards", "(mat)")
    assert positions(read, "red") == (2,) and read.weights[2] == 1.3 and positions(read, "Cat") == (3,) and len(positions(read, "skateboards")) == 2
    long = host.read_prompt(clip, "red " * 80 + "star")
    assert long.chunks == 2 and positions(long, "star") == (83,) and host.encode_prompt(clip, "red " * 80 + "star")[0][0].shape[1] == 154


def check_two_encoders():
    """SDXL's CLIP: tokens of both towers side by side, pooled text for each lane."""
    import comfy.sd
    import comfy.sdxl_clip
    import comfy.supported_models_base
    import hostkit as kit
    from concord.hosts.comfy import host

    towers = {f"clip_{name}_model_config": dict(hidden_size=32, intermediate_size=64, num_attention_heads=2, num_hidden_layers=3, projection_dim=32,
                                                hidden_act="gelu", max_position_embeddings=77, eos_token_id=49407, layer_norm_eps=1e-5) for name in "lg"}
    target = comfy.supported_models_base.ClipTarget(comfy.sdxl_clip.SDXLTokenizer, comfy.sdxl_clip.SDXLClipModel)
    clip = comfy.sd.CLIP(target, model_options={**towers, "dtype": torch.float32})
    kit.fill(clip.cond_stage_model, 3)
    _, positive, _, _ = told(kit.unet(sdxl=True), clip, {"samples": torch.zeros(1, 4, 8, 12)})
    (tokens, keys), alone = positive[0], host.encode_prompt(clip, SWAP.splitlines()[0])[0]
    assert tokens.shape == (3, 77, 64) and keys["pooled_output"].shape == (3, 32)
    assert torch.equal(tokens[1:2], alone[0]) and torch.equal(keys["pooled_output"][1:2], alone[1]["pooled_output"])


def check_split_branches():
    """The host runs what does not fit into its memory in several calls."""
    import hostkit as kit
    from concord.hosts.comfy import host
    from splits import joint_and_split
    from techniques import assert_same

    model, positive, latent, _ = told(kit.unet(), kit.clip(), {"samples": torch.zeros(2, 4, 8, 12)})
    assert_same(*joint_and_split((model, positive, host.encode_prompt(kit.clip(), "")), latent, steps=2))


def check_foreign_positives_and_areas():
    """Another positive beside the node's, and one with an area: their words are not taken for the node's."""
    import hostkit as kit
    from splits import joint_and_split
    from techniques import assert_differs, assert_same, run

    model, positive, latent, _ = told(kit.unet(), kit.clip(), {"samples": torch.zeros(2, 4, 8, 12)}, mode="refine", targets=MORE, cross_replace="")
    other = kit.conditioning(3, area=(8, 8, 0, 2), strength=1.0)
    together, apart = joint_and_split((model, positive + other, kit.conditioning(2)), latent, steps=2)
    assert_same(together, apart)
    assert_differs(together, run((model, positive, kit.conditioning(2)), latent, steps=2))
    marked = [[text, {**meta, "concord_words": positive[0][1]["concord_words"]}] for text, meta in other]
    assert_differs(together, run((model, positive + marked, kit.conditioning(2)), latent, steps=2))
