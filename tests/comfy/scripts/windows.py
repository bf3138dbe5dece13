"""MultiDiffusion against its naive reading: windows cut by hand, each run by the untouched host, averaged."""
import comfy.sample
import comfy.samplers
import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from techniques import assert_differs, assert_same, control_net, model

import nodes

SIZE, STARTS, HEIGHT, WIDTH = 8, (0, 4, 8), 8, 16


def denoise(patcher, positive, negative, noise):
    """One step from the first sigma to 0: the prediction itself, on noise that is given."""
    sigmas = torch.tensor([8.0, 0.0])
    sampler = comfy.samplers.sampler_object("euler")
    return comfy.samplers.sample(patcher, noise, positive, negative, 4.0, "cpu", sampler, sigmas, patcher.model_options, torch.zeros_like(noise))


def noise():
    return torch.randn(1, 4, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(11))


def in_windows(positive, negative):
    return denoise(host.attach(model(), *multidiffusion((SIZE, SIZE), (4, 4))), positive, negative, noise())


def by_hand(prompts_of_window):
    """prompts_of_window(start) -> positive, negative of the window that begins there."""
    total, count = torch.zeros(1, 4, HEIGHT, WIDTH), torch.zeros(1, 1, 1, WIDTH)
    for start in STARTS:
        inside = slice(start, start + SIZE)
        total[..., inside] += denoise(model(), *prompts_of_window(start), noise()[..., inside].contiguous())
        count[..., inside] += 1
    return total / count


def check_plain_prompts():
    prompts = kit.conditioning(1), kit.conditioning(2)
    assert_same(in_windows(*prompts), by_hand(lambda start: prompts))
    assert_differs(in_windows(*prompts), denoise(model(), *prompts, noise()))


def check_masks():
    mask = torch.rand(1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    prompts = lambda mask: (kit.conditioning(1, mask=mask) + kit.conditioning(3, mask=1 - mask), kit.conditioning(2))
    assert_same(in_windows(*prompts(mask)), by_hand(lambda start: prompts(mask[..., start:start + SIZE])))


def check_core_control_net():
    """The host's own ControlNet, under windows: each sees its part of the hint, in colour and in place."""
    hint = torch.rand(1, HEIGHT * 8, WIDTH * 8, 3, generator=torch.Generator().manual_seed(1))
    apply = lambda hint: nodes.ControlNetApplyAdvanced().apply_controlnet(kit.conditioning(1), kit.conditioning(2), control_net(), hint, 0.7, 0.0, 1.0)
    crop = lambda start: hint[:, :, start * 8:(start + SIZE) * 8].contiguous()
    assert_same(in_windows(*apply(hint)), by_hand(lambda start: apply(crop(start))))


def check_our_control_net_and_a_chain_of_both():
    hint = torch.rand(1, HEIGHT * 8, WIDTH * 8, 3, generator=torch.Generator().manual_seed(1))
    other = hint.flip(2)
    net, second = control_net(), kit.control_net(seed=9)
    core = lambda prompts, net, hint, strength: nodes.ControlNetApplyAdvanced().apply_controlnet(*prompts, net, hint, strength, 0.0, 1.0)
    prompts = kit.conditioning(1), kit.conditioning(2)
    ours = host.apply_control(*core(prompts, second, other, 0.4), net, hint, ControlResiduals(strength=0.7))
    crop = lambda image, start: image[:, :, start * 8:(start + SIZE) * 8].contiguous()
    theirs = lambda start: core(core(prompts, second, crop(other, start), 0.4), net, crop(hint, start), 0.7)
    assert_same(in_windows(*ours), by_hand(theirs))
    assert_same(denoise(model(), *ours, noise()), denoise(model(), *core(core(prompts, second, other, 0.4), net, hint, 0.7), noise()))


def check_an_area_inside_one_window():
    """An area wholly inside the first window only, over a prompt that is everywhere."""
    area = (HEIGHT, 4, 0, 0)
    prompts = lambda area: (kit.conditioning(1) + (kit.conditioning(3, area=area, strength=0.8) if area else []), kit.conditioning(2))
    feathered = in_windows(*prompts(area))
    assert_same(feathered, by_hand(lambda start: prompts(area if start == 0 else None)))
