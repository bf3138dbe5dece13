"""Several prompts, areas, lengths and schedules: the host puts them into one call or into many, and the picture is the same."""
import comfy.hooks
import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.processors.edit import AttentionEdit, Order
from concord.processors.program import Segment
from splits import joint_and_split, prompts
from techniques import STYLE, WINDOWS, assert_differs, assert_same, ours, ours_alone, run


def check_two_positives():
    setup = prompts(kit.conditioning(1), kit.conditioning(3))
    assert_same(*joint_and_split(ours(setup)))
    assert_differs(run(ours(setup)), ours_alone())


def check_masked_positives():
    left = torch.zeros(1, 64, 96)
    left[..., :48] = 1
    setup = prompts(kit.conditioning(1, mask=left), kit.conditioning(3, mask=1 - left))
    assert_same(*joint_and_split(ours(setup)))


def check_areas():
    """Two prompts on halves that overlap, and one everywhere."""
    setup = prompts(kit.conditioning(1), kit.conditioning(3, area=(8, 7, 0, 0)), kit.conditioning(4, area=(8, 7, 0, 5)))
    for apply in (STYLE.typical, WINDOWS.typical, ours):
        assert_same(*joint_and_split(apply(setup)))


class BesidePrompt(AttentionEdit):
    """Keys in the same softmax as the prompt's: a prompt that is there twice would outvote them."""

    technique, order, kind = "BesidePrompt", Order.SEGMENTS, "cross"

    def rewrite(self, plan, site, step):
        k, v = site.project(torch.randn(1, 40, 64, generator=torch.Generator().manual_seed(7)))
        beside = lambda term: Segment(self.id, k.expand(len(term.q), -1, -1, -1), v.expand(len(term.q), -1, -1, -1))
        return plan.change(step.where(self), lambda mine: tuple(t._replace(segments=(*t.segments, beside(t))) for t in mine.terms))


def check_prompts_of_different_length():
    """154 and 77 tokens: the host repeats the shorter one's; alone in its call it is not repeated."""
    patcher, positive, negative = ours(prompts(kit.conditioning(1, tokens=154)), chunks=2)
    assert_same(*joint_and_split((host.attach(patcher, BesidePrompt()), positive, negative)))


def check_schedules_in_the_conditioning():
    """A prompt for the first half, another for the second: the host drops entries that are not due."""
    setup = prompts(kit.conditioning(1, start_percent=0.0, end_percent=0.5), kit.conditioning(3, start_percent=0.5, end_percent=1.0))
    assert_same(*joint_and_split(ours(setup), steps=4))


def check_hooks_on_the_conditioning():
    """A prompt with hooks of its own runs in a call of its own."""
    group = comfy.hooks.HookGroup()
    halve = lambda n, extra: n * 0.5
    only_here = comfy.hooks.EnumHookScope.HookedOnly
    group.add(comfy.hooks.TransformerOptionsHook(transformers_dict={"patches": {"attn2_output_patch": [halve]}}, hook_scope=only_here))
    setup = prompts(kit.conditioning(1, hooks=group))
    assert_differs(run(ours(setup)), ours_alone())
    untouched = comfy.hooks.HookGroup()
    untouched.add(comfy.hooks.TransformerOptionsHook(transformers_dict={"patches": {}}, hook_scope=only_here))
    assert_same(run(ours(prompts(kit.conditioning(1, hooks=untouched)))), ours_alone())
