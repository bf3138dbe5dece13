"""Windows that share the host's calls: the same picture for every number of windows a call, for all that conditions can hold, and fewer calls."""
from __future__ import annotations

import comfy.controlnet
import comfy.model_management
import comfy.samplers
import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from control_kinds import adapter, lora
from splits import CountedCalls
from techniques import assert_same, control_net, model, run
from windows import SIZE

import nodes

CANVAS = (8, 20)
MASK = torch.linspace(0, 1, 160)[None, None].expand(1, 64, -1)


def hint(seed: int, pictures: int = 1):
    return torch.rand(pictures, 64, 160, 3, generator=torch.Generator().manual_seed(seed))


def core(prompts, net, image, strength=0.7):
    return nodes.ControlNetApplyAdvanced().apply_controlnet(*prompts, net, image, strength, 0.0, 1.0)


def prompts(**keys):
    return kit.conditioning(1, **keys), kit.conditioning(2)


def drawn(setup, per_call: int, samples: int = 1, memory: float | None = None, canvas=CANVAS, **settings):
    """-> the picture, and the rows of each model call."""
    patcher, positive, negative = setup
    counted = CountedCalls(host.attach(patcher, *multidiffusion((SIZE, SIZE), (4, 4), "linear", (False, True), jitter=3, per_call=per_call)))
    base = counted.patcher.model
    if memory is not None:
        base.memory_required = lambda shape, cond_shapes=None: shape[0] * memory
    try:
        return run((counted.patcher, positive, negative), torch.zeros(samples, 4, *canvas), **{"steps": 2, **settings}), counted.rows
    finally:
        if memory is not None:
            del base.memory_required


def assert_same_for_all_sizes(setup, samples: int = 1, fewer: bool = True, tolerance: float = 1e-5, **settings):
    one, calls = drawn(setup, 1, samples, **settings)
    for per_call, memory in ((0, None), (2, None), (0, 1e18), (0, comfy.model_management.get_free_memory(torch.device("cpu")) / 4 / samples)):
        other, others = drawn(setup, per_call, samples, memory, **settings)
        assert_same(other, one, tolerance)
        assert sum(others) == sum(calls)
        if fewer and memory is None:
            assert len(others) < len(calls), (len(others), len(calls))


def check_plain_prompts():
    assert_same_for_all_sizes((model(), *prompts()))


def check_masks_areas_and_a_longer_prompt():
    positive = [*kit.conditioning(1, mask=MASK[0], mask_strength=0.6), *kit.conditioning(3, tokens=154, area=(8, 9, 0, 7), strength=0.8), *kit.conditioning(4)]
    assert_same_for_all_sizes((model(), positive, kit.conditioning(2)), 2)


def check_a_schedule_of_prompts():
    positive = [*kit.conditioning(1, end_percent=0.3), *kit.conditioning(3, start_percent=0.3), *kit.conditioning(4, mask=MASK[0])]
    assert_same_for_all_sizes((model(), positive, kit.conditioning(2)), steps=3)


def check_controls_of_the_host_and_ours_share_calls():
    ours = host.apply_control(*core(prompts(), kit.control_net(seed=9), hint(2), 0.4), control_net(), hint(1, 2), ControlResiduals(strength=0.7, mask=MASK))
    assert_same_for_all_sizes((model(), *ours), 2)


def check_a_control_lora():
    assert_same_for_all_sizes((model(), *core(prompts(), lora(), hint(1))))


def check_t2i_adapters():
    assert_same_for_all_sizes((model(), *core(prompts(), adapter(light=True), hint(1))))


class OfAnotherPack(comfy.controlnet.ControlNet):
    """One that could do anything with its hint."""

    def copy(self):
        copied = OfAnotherPack(None, load_device=self.load_device)
        copied.control_model, copied.control_model_wrapped = self.control_model, self.control_model_wrapped
        self.copy_to(copied)
        return copied


def check_a_control_of_another_pack_runs_window_by_window():
    theirs = OfAnotherPack(control_net().control_model, load_device=torch.device("cpu"))
    setup = model(), *core(prompts(), theirs, hint(1))
    assert_same_for_all_sizes(setup, fewer=False)
    known, _ = drawn((model(), *core(prompts(), control_net(), hint(1))), 0)
    other, rows = drawn(setup, 0)
    assert_same(other, known, 1e-5)
    assert max(rows) == 2


def check_a_control_in_an_area():
    inside, _ = core((kit.conditioning(3, area=(8, 12, 0, 4)), kit.conditioning(2)), control_net(), hint(1))
    assert_same_for_all_sizes((model(), [*kit.conditioning(1), *inside], kit.conditioning(2)), fewer=False)


def check_lanes():
    assert_same_for_all_sizes((host.attach(model(), *style_aligned(), lanes=reference_lane()), *prompts()), 3)


def check_what_others_leave_over():
    """The host's default conditioning: heard where no other is."""
    left = torch.zeros(1, 64, 160)
    left[..., :70] = 0.7
    cases = [*kit.conditioning(1, mask=left), *kit.conditioning(3, default=True)], kit.conditioning(2)
    assert_same_for_all_sizes((model(), *cases))
    filled = [*kit.conditioning(1, mask=left), *kit.conditioning(3, mask=1 - left)], kit.conditioning(2)
    assert_same(drawn((model(), *cases), 0)[0], drawn((model(), *filled), 0)[0], 1e-4)


def check_every_sampler():
    """Step noise is drawn on the canvas, once, whatever the windows are; the last sampler counts as much as the first."""
    names = [name for name in comfy.samplers.SAMPLER_NAMES if not name.startswith(("uni_pc", "dpm_adaptive"))]
    for name in (*names, "uni_pc", "dpm_adaptive"):
        settings = dict(sampler=name, steps=2, cfg=2.0, canvas=(8, 12))
        together, apart = (drawn((model(), *prompts()), per_call, **settings)[0] for per_call in (0, 1))
        error = float((together - apart).abs().max() / apart.abs().max())
        assert error < 2e-3, f"{name}: {error:.2g}"
