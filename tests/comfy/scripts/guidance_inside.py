"""Guidance by gradients inside ComfyUI: from the weights of a node that runs in inference mode, and everything that can stop it."""
from __future__ import annotations

import torch
from concord.processors.attention.attention_maps import attention_maps
from guidance import MODES


def small(**how):
    import hostkit as kit

    return kit.unet(**how), kit.conditioning(1), kit.conditioning(2)


def run(setup, samples: int = 2, **settings):
    import hostkit as kit

    return kit.sample(*setup, torch.zeros(samples, 4, 8, 12), **settings)


def check_weights_of_inference_mode_give_gradients_and_are_not_touched(thorough=False):
    """Nodes run in inference mode, where autograd refuses weights; thoroughly: both families."""
    from concord.hosts.comfy import host

    for family in (False, True) if thorough else (False,):
        setup = small(sdxl=family)
        network, plain = setup[0].model.diffusion_model, run(setup)
        assert torch.is_inference_mode_enabled() and all(weight.is_inference() for weight in network.parameters())
        before = {name: (weight, weight.clone()) for name, weight in network.named_parameters()}
        for name, edits in MODES.items():
            model = host.attach(setup[0], *edits())
            made = run((model, *setup[1:]))
            assert made.isfinite().all() and (made - plain).abs().amax((1, 2, 3)).min() > 1e-3, name
            assert torch.equal(run((model, *setup[1:])), made)
            assert not {"optimized_attention_override", "concord_session"} & set(model.model_options["transformer_options"])
        assert torch.equal(run(setup), plain)
        for name, weight in network.named_parameters():
            assert weight is before[name][0] and weight.grad is None and torch.equal(weight, before[name][1])


def check_a_run_that_is_interrupted_between_two_looks():
    import hostkit as kit
    from concord.hosts.comfy import host

    model, *said = small()
    model = host.attach(model, *MODES["backward"](iterations=5, threshold=0.0))
    expected = run((model, *said))
    assert kit.stopped(model, lambda pressed: run((pressed, *said))) == 2
    assert torch.equal(run((model, *said)), expected)


def check_memory_that_does_not_suffice_is_told_in_one_line():
    import comfy.model_management
    from concord.hosts.comfy import host
    from concord.processors.errors import ConcordError

    model, *said = small()
    model = host.attach(model, *MODES["backward"]())

    def full(executor, *args, **kwargs):
        if torch.is_grad_enabled():
            raise comfy.model_management.OOM_EXCEPTION("full")
        return executor(*args, **kwargs)

    model.add_wrapper_with_key("diffusion_model", "full", full)
    try:
        run((model, *said))
        raise AssertionError("was not refused")
    except ConcordError as error:
        assert "memory" in str(error) and "\n" not in str(error)


def check_looks_are_no_part_of_what_others_read():
    """Attention maps count the evaluations of the picture alone; the progress of a look's layers stops behind the last that is read."""
    from concord.hosts.comfy import host

    model, *said = small()
    counts = []
    for edits in ((), MODES["backward"](iterations=3, threshold=0.0)):
        watch, maps = attention_maps([("word", (4,))])
        run((host.attach(model, watch, *edits), *said))
        counts.append({grid: often for grid, (_, often) in maps.found.items()})
    assert counts[0] == counts[1]


def check_every_sampler_is_followed_or_refused(thorough=False):
    import hostkit as kit
    from comfy.samplers import SAMPLER_NAMES
    from concord.hosts.comfy import host
    from concord.hosts.comfy.stepping import NOT_FOLLOWED
    from concord.processors.errors import ConcordError

    plain = kit.unet(channel_mult=[1, 2], num_res_blocks=[1, 1], transformer_depth=[1, 1], transformer_depth_output=[1] * 4)
    said = kit.conditioning(1), kit.conditioning(2)
    model = host.attach(plain, *MODES["backward"](iterations=1))
    for name in SAMPLER_NAMES if thorough else ("euler", "heun", "dpmpp_2m", "dpmpp_sde", "uni_pc"):
        if name.startswith("ar_"):  # of video models
            continue
        try:
            made = run((model, *said), sampler=name)
        except ConcordError as error:
            assert name in NOT_FOLLOWED and name in str(error) and "Backward guidance" in str(error), f"{name}: {error}"
            continue
        assert name not in NOT_FOLLOWED and (made - run((plain, *said), sampler=name)).abs().max() > 1e-3, name


def check_half_precision(thorough=False):
    """The loss is computed in single precision, and no gradient is lost or overflows."""
    from concord.hosts.comfy import host

    for dtype in (torch.bfloat16, torch.float16)[not thorough :]:
        model, *said = small()
        model.model.diffusion_model.to(dtype)
        model.model.manual_cast_dtype = None
        model.model.diffusion_model.dtype = dtype
        plain = run((model, *said), steps=2)
        full = small()[0]
        for name, edits in MODES.items():
            made = run((host.attach(model, *edits()), *said), steps=2)
            exact = run((host.attach(full, *edits()), *said), steps=2)
            assert made.isfinite().all() and (made - plain).abs().max() > 1e-3, (dtype, name)
            assert (made - exact).abs().max() < 0.1 * exact.abs().max(), (dtype, name, (made - exact).abs().max() / exact.abs().max())
