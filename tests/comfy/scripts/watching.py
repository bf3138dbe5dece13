"""Watching the attention in this host changes nothing to the bit, whatever else stands there, and is handed on once, when the run has ended well."""
import comfy.sample
import hostkit as kit
import torch
from comfy.ldm.modules.attention import attention_pytorch, attention_sub_quad, optimized_attention
from concord.hosts.comfy import host, unet
from concord.processors.attention.attention_maps import attention_maps
from techniques import QUICK, TECHNIQUES, alone_or_together, assert_same, model, plain, run

BLOCKS = [("input", n) for n in (1, 2, 4, 5, 7, 8)] + [("middle", 0)] + [("output", n) for n in range(3, 12)]


def watched(setup, **where):
    edit, maps = attention_maps((("cat", (2, 3)), ("dog", (5,))), **where)
    return (host.attach(setup[0], edit), *setup[1:]), maps


def assert_watched(setup, canvas=None, **settings):
    """The same bits with and without; gives the maps."""
    ours, maps = watched(setup)
    assert torch.equal(run(ours, canvas, **settings), run(setup, canvas, **settings))
    assert maps.found and all(found.isfinite().all() and found.sum() > 0 for found, _ in maps.found.values())
    return maps.found


def check_alone():
    for canvas in (torch.zeros(1, 4, 8, 12), torch.zeros(4, 4, 9, 13)):
        found = assert_watched(plain(), canvas)
        assert all(of.shape[:2] == (len(canvas), 2) for of, _ in found.values()) and len(found) == 4
    assert_watched(plain(), cfg=1.0)
    assert_watched((model(), kit.conditioning(1, 154), kit.conditioning(2)))


def check_sites_of_sdxl():
    ours, maps = watched((kit.unet(sdxl=True), *plain()[1:]))
    assert torch.equal(run(ours), run((kit.unet(sdxl=True), *plain()[1:]))) and len(maps.found) == 2


def check_every_kernel():
    """The host picks its kernel at its start; the bits stay with each."""
    for kernel in (attention_pytorch, attention_sub_quad):
        def override(function, *args, kernel=kernel, **kwargs):
            return kernel(*args, **kwargs)

        patcher = model().clone()
        patcher.model_options["transformer_options"]["optimized_attention_override"] = override
        assert_watched((patcher, *plain()[1:]))
    assert unet.optimized_attention is optimized_attention


def check_foreign_functions():
    """A replace function and an override of other packs do what they do without us, bit for bit, and are asked as often."""
    calls = []

    def replaced(q, k, v, extra):
        calls.append("replace")
        return 1.3 * optimized_attention(q, k, v, heads=extra["n_heads"], transformer_options=extra) + 0.2 * q

    def override(function, *args, **kwargs):
        calls.append("override")
        return 1.1 * function(*args, **kwargs)

    patcher = model().clone()
    patcher.model_options["transformer_options"]["optimized_attention_override"] = override
    for block in BLOCKS:
        patcher.set_model_attn2_replace(replaced, *block)
    assert_watched((patcher, *plain()[1:]))
    assert calls[: len(calls) // 2] == calls[len(calls) // 2 :]


def check_every_technique(thorough=False):
    for technique in alone_or_together(TECHNIQUES if thorough else QUICK, thorough):
        assert_watched(technique.typical(plain()))


def check_split_calls_see_the_same():
    """What is seen with every entry in a call of its own is what is seen in one call."""
    made = []
    for memory in (None, 1e18):
        ours, maps = watched(plain())
        base = ours[0].model
        if memory:
            base.memory_required = lambda *args, **kwargs: memory  # noqa: B023
        try:
            run(ours)
        finally:
            vars(base).pop("memory_required", None)
        made.append(maps.found)
    assert made[0].keys() == made[1].keys()
    for grid, (found, often) in made[0].items():
        assert_same(made[1][grid][0], found)
        assert made[1][grid][1] == often


def check_filled_once_when_the_run_has_ended_well():
    ours, maps = watched(plain())
    filled = []

    def look(step, *_):
        filled.append(len(maps.found))
        if stop:
            raise InterruptedError

    stop = True
    try:
        sample(ours, look)
    except InterruptedError:
        pass
    assert filled == [0] and not maps.found
    stop = False
    sample(ours, look)
    first = maps.found
    assert filled == [0, 0, 0] and first
    run(ours)
    assert maps.found is not first and all(len(of) == 3 for of, _ in maps.found.values())


def sample(setup, callback):
    noise = torch.zeros(1, 4, 8, 8)
    return comfy.sample.sample(setup[0], noise, 2, 5.0, "euler", "normal", *setup[1:], noise, callback=callback)
