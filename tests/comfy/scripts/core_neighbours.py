"""What ComfyUI itself brings beside our nodes, before and after each of them: weights, hints, masks, exchanged networks."""
import types
from functools import cache

import comfy.hooks
import hostkit as kit
import torch
from comfy_extras import nodes_differential_diffusion
from neighbours import with_node
from techniques import QUICK, alone_or_together, assert_differs, assert_same, model, plain, run

import nodes


def assert_both(theirs, thorough: bool, tolerance: float = 1e-5, techniques=QUICK, start=plain, canvas=None, **settings):
    """For each technique, else for all together: either order gives the same, and it is neither of the two alone."""
    only_theirs = run(theirs(start()), canvas, **settings)
    for technique in alone_or_together(techniques, thorough):
        below, above = run(technique.typical(theirs(start())), canvas, **settings), run(theirs(technique.typical(start())), canvas, **settings)
        assert_same(below, above, tolerance, technique.name)
        assert_differs(below, only_theirs, technique.name)
        assert_differs(below, run(technique.typical(start()), canvas, **settings), f"{technique.name} with it")


@cache
def changes() -> dict:
    """Of weights, as a LoRA makes them."""
    generator, weights = torch.Generator().manual_seed(21), model().model.state_dict()
    keys = [key for key in weights if key.endswith(("attn1.to_q.weight", "attn2.to_k.weight", "proj_in.weight"))]
    return {key: (0.05 * torch.randn(weights[key].shape, generator=generator),) for key in keys}


def lora(setup):
    patched = setup[0].clone()
    assert set(patched.add_patches(changes(), 0.8)) == set(changes())
    return patched, *setup[1:]


def check_lora_as_a_hook_of_one_prompt(thorough=False):
    """The positive is drawn with other weights than the negative, in one run: each as on a model of its own. What the weights make of other pictures and
    prompts is not lent from one to the other."""
    group, hook = comfy.hooks.HookGroup(), comfy.hooks.WeightHook(0.8, 0.0)
    hook.weights, hook.need_weight_init = changes(), False
    group.add(hook)
    hooked = model(), kit.conditioning(1, hooks=group), kit.conditioning(2)
    one_by_one = [technique for technique in QUICK if technique.name != "LocalBlend"]  # which blends by both predictions
    for technique in alone_or_together(one_by_one, thorough):
        with_lora, without = run(technique.typical(lora(plain())), cfg=1.0), run(technique.typical(plain()), cfg=0.0)
        assert_same(run(technique.typical(hooked), cfg=3.0), without + 3.0 * (with_lora - without), 1e-4, technique.name)


def check_lora(thorough=False):
    before = {key: weight.clone() for key, weight in model().model.state_dict().items()}
    assert_both(lora, thorough)
    model().detach()
    assert all(torch.equal(weight, before[key]) for key, weight in model().model.state_dict().items())


def core_control(setup):
    hint = torch.rand(1, 64, 96, 3, generator=torch.Generator().manual_seed(22))
    return setup[0], *nodes.ControlNetApplyAdvanced().apply_controlnet(setup[1], setup[2], control_net(), hint, 0.8, 0.0, 1.0)


@cache
def control_net():
    return kit.control_net(seed=9)


def check_core_control_net(thorough=False):
    """Windows crop the host's own hint as well."""
    assert_both(core_control, thorough)


def check_areas_masks_and_timestep_ranges(thorough=False):
    def entries(setup):
        mask = torch.zeros(1, 64, 96)
        mask[..., :40] = 1
        more = [dict(area=(4, 8, 2, 3), strength=0.8), dict(mask=mask, mask_strength=1.5), dict(start_percent=0.0, end_percent=0.6)]
        return setup[0], setup[1] + [entry for seed, keys in enumerate(more, 31) for entry in kit.conditioning(seed, **keys)], setup[2]

    of_prompts = ("ApplyControlNet", "MultiDiffusion Regions")  # whose nodes change the prompts that they are given, and no others
    assert_both(entries, thorough, techniques=[technique for technique in QUICK if technique.name not in of_prompts], steps=2)


def check_differential_diffusion(thorough=False):
    ramp = torch.linspace(0, 1, 96).expand(1, 1, 64, 96)
    canvas = {"samples": torch.randn(3, 4, 8, 12, generator=torch.Generator().manual_seed(24)), "noise_mask": ramp}
    soft = with_node(nodes_differential_diffusion.DifferentialDiffusion)
    for technique in alone_or_together(QUICK, thorough):
        below, above = (run(setup, canvas, steps=3) for setup in (technique.typical(soft(plain())), soft(technique.typical(plain()))))
        assert_same(below, above, 1e-5)
        assert_differs(below, run(technique.typical(plain()), canvas, steps=3), technique.name)


def exchanged(setup):
    """Another pack's forward function in the place of the network's, as packs that skip or repeat work exchange it."""
    patched = setup[0].clone()
    network = patched.model.diffusion_model

    def forward(self, *args, **kwargs):
        return 1.05 * type(self).forward(self, *args, **kwargs)

    patched.add_object_patch("diffusion_model.forward", types.MethodType(forward, network))
    return patched, *setup[1:]


def check_exchanged_forward(thorough=False):
    assert_both(exchanged, thorough)
    model().detach()
