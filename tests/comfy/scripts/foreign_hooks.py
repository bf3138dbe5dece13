"""Hooks of other packs besides replace functions, placed before and after ours: all act, as if alone."""
import hostkit as kit
import torch
from concord.processors.errors import ConcordError
from neighbours import assert_refused
from techniques import ADAIN, CONTROL, PICTURE, STYLE, TECHNIQUES, WINDOWS, assert_differs, before_and_after, hooked, ours_alone, plain, run


def check_override():
    """optimized_attention_override runs at every attention call, ours too."""
    calls = []

    def override(function, *args, **kwargs):
        calls.append(1)
        return 1.2 * function(*args, **kwargs)

    def hook(patcher):
        patcher.model_options["transformer_options"]["optimized_attention_override"] = override

    below, above = before_and_after(hook)
    assert torch.equal(below, above)
    assert_differs(below, ours_alone())
    calls.clear()
    hooked(hook)
    least = len(calls)
    calls.clear()
    before_and_after(hook)
    assert len(calls) >= 2 * least


def check_what_an_override_keeps():
    """An override that returns tensors which it keeps finds them as they were, also where ours are added up: two pictures."""
    kept = []

    def override(function, *args, **kwargs):
        out = function(*args, **kwargs)
        kept.append((out, out.clone()))
        return out

    model, *asked = PICTURE.typical(PICTURE.typical(plain()))
    model.model_options["transformer_options"]["optimized_attention_override"] = override
    run((model, *asked))
    assert kept and all(torch.equal(out, before) for out, before in kept)


def check_list_patches(thorough=False):
    """Patches of the host's lists run as often as without us, and act."""
    calls = []

    def inputs(q, k, v, extra):
        calls.append(extra["block"])
        return q * 1.1, k, v

    def output(n, extra):
        calls.append(extra["block"])
        return n * 0.9

    def block(h, *rest):
        calls.append("block")
        return (h * 1.01, *rest[:-1]) if len(rest) > 1 else h * 1.01

    hooks = {"attn1_patch": inputs, "attn2_patch": inputs, "attn1_output_patch": output, "attn2_output_patch": output,
             "input_block_patch": block, "output_block_patch": block}
    for name in hooks if thorough else ("attn1_patch", "attn2_output_patch", "output_block_patch"):
        function = hooks[name]
        hook = lambda patcher: getattr(patcher, f"set_model_{name}")(function)  # noqa: B023
        below, above = before_and_after(hook)
        assert torch.equal(below, above), name
        assert_differs(below, ours_alone())
        calls.clear()
        hooked(hook)
        alone = list(calls)
        calls.clear()
        setup = STYLE.typical(plain())
        hook(setup[0])
        run(setup)
        assert calls == alone, name


def check_function_wrapper():
    """model_function_wrapper: an identity changes nothing; a tiler that keeps the batch runs."""
    through = lambda apply_model, a: apply_model(a["input"], a["timestep"], **a["c"])

    def tiles(apply_model, a):
        halves = a["input"].chunk(2, dim=-1)
        c = {key: value for key, value in a["c"].items() if key != "control"}
        return torch.cat([apply_model(half, a["timestep"], **c) for half in halves], -1)

    expected = ours_alone()
    for samples in before_and_after(lambda patcher: patcher.set_model_unet_function_wrapper(through)):
        assert torch.equal(samples, expected)
    below, above = before_and_after(lambda patcher: patcher.set_model_unet_function_wrapper(tiles))
    assert torch.equal(below, above)


def check_widened_batch_is_refused():
    """A node that changes the number of rows is named, not guessed around."""
    def widen(apply_model, a):
        x = torch.cat([a["input"]] * 3)
        c = {**a["c"], "c_crossattn": torch.cat([a["c"]["c_crossattn"]] * 3)}
        return apply_model(x, torch.cat([a["timestep"]] * 3), **c)[: len(a["input"])]

    setup = STYLE.typical(plain())
    setup[0].set_model_unet_function_wrapper(widen)
    try:
        run(setup)
    except Exception as error:
        assert "batch" in str(error) and "\n" not in str(error), error
    else:
        raise AssertionError("a widened batch was accepted")


def couple(setup):
    """Another pack's regional prompts: a second prompt, as further rows inside cross-attention, averaged behind it by a mask."""
    patched, other = setup[0].clone(), kit.conditioning(9)[0][0]

    def widen(q, k, v, extra):
        more = other.to(k).expand(len(k), -1, -1)
        return torch.cat([q, q]), torch.cat([k, more]), torch.cat([v, more])

    def merge(n, extra):
        here, there = n.chunk(2)
        left = torch.linspace(0, 1, n.shape[1])[:, None]
        return here * left + there * (1 - left)

    patched.set_model_attn2_patch(widen)
    patched.set_model_attn2_output_patch(merge)
    return patched, *setup[1:]


def check_attention_couple():
    """Goes together with what leaves cross-attention alone; what acts there is refused by name."""
    alone = run(couple(plain()))
    for technique in (STYLE, WINDOWS, CONTROL):
        below, above = run(technique.typical(couple(plain()))), run(couple(technique.typical(plain())))
        assert torch.equal(below, above), technique.name
        assert_differs(below, alone, technique.name)
        assert_differs(below, run(technique.typical(plain())), technique.name)
    for setup in (PICTURE.typical(couple(plain())), couple(PICTURE.typical(plain()))):
        assert_refused(setup, None, "changed the batch", "attention couple")


def merged(setup):
    """Another pack's merging in cross-attention: every second token asks, for itself and for the next."""
    patched, counts = setup[0].clone(), []

    def halve(q, k, v, extra):
        counts.append(q.shape[1])
        return q[:, ::2], k, v

    patched.set_model_attn2_patch(halve)
    patched.set_model_attn2_output_patch(lambda n, extra: n.repeat_interleave(2, 1)[:, : counts.pop()])
    return patched, *setup[1:]


PLACED = {"PromptToPrompt", "LocalBlend", "Region prompts", "Paint with words", "Forward guidance", "Backward guidance", "BoxDiff", "Attend-and-Excite"}


def check_merged_queries():
    """Of cross-attention: every technique acts as well, or says that it has to know the places; some only with masks."""
    alone, refused = run(merged(plain())), set()
    for technique in TECHNIQUES:
        for setup in (technique.typical(merged(plain())), merged(technique.typical(plain()))):
            try:
                assert_differs(run(setup), alone, technique.name)
            except ConcordError as error:
                assert "another node merged" in str(error) and "\n" not in str(error), error
                refused.add(technique.name)
    for technique in (PICTURE, ADAIN):
        assert_refused(technique.other(merged(plain())), None, "another node merged", technique.name)
    assert refused == PLACED


def check_guidance_functions():
    """cfg functions of other packs see the same and act, before and after."""
    def post(a):
        return a["denoised"] * 0.95

    def pre(a):
        return [out * 1.05 for out in a["conds_out"]]

    for hook in (lambda p: p.set_model_sampler_post_cfg_function(post), lambda p: p.set_model_sampler_pre_cfg_function(pre),
                 lambda p: p.set_model_sampler_cfg_function(lambda a: a["uncond"] + (a["cond"] - a["uncond"]) * 2.0)):
        below, above = before_and_after(hook)
        assert torch.equal(below, above)
        assert_differs(below, ours_alone())
