"""Every kind of control that the host loads goes through our node as through core's: alone, in chains and in windows."""
from functools import cache

import comfy.cldm.cldm
import comfy.controlnet
import comfy.ops
import comfy.sample
import controls
import hostkit as kit
import torch
from comfy.t2i_adapter.adapter import Adapter, Adapter_light
from concord.hosts.comfy import host
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion
from costs import Counter, answering_percents
from techniques import assert_differs, assert_same

import nodes

WIDTHS = [32, 64, 128, 128]
LORA_RANK = 4


def lora(seed: int = 3, sdxl: bool = False):
    """A Control-LoRA: its own hint block and outlets, and small changes of the model's first weights."""
    own = kit.control_net(seed=seed, **(kit.SDXL if sdxl else {})).control_model.state_dict()
    weights = {name: weight for name, weight in own.items() if name.startswith(("input_hint_block.", "zero_convs.", "middle_block_out."))}
    for name, weight in own.items():
        if name.startswith("input_blocks.") and name.endswith("to_q.weight"):
            generator = torch.Generator().manual_seed(len(weights))
            for side, shape in (("up", (weight.shape[0], LORA_RANK)), ("down", (LORA_RANK, weight.shape[1]))):
                weights[f"{name.removesuffix('weight')}{side}"] = 0.2 * torch.randn(shape, generator=generator)
    return comfy.controlnet.ControlLora({**weights, "lora_controlnet": torch.zeros(0)})


def adapter(light: bool = False, sdxl: bool = False):
    network = Adapter_light(WIDTHS, 4, 192) if light else Adapter(WIDTHS, 2, 768 if sdxl else 192, ksize=1, sk=True, use_conv=False, xl=sdxl)
    return comfy.controlnet.T2IAdapter(kit.fill(network, 5).eval(), network.input_channels, 8, "nearest-exact", torch.device("cpu"))


def union(types: int = 6):
    config = kit.COMMON | kit.SDXL | dict(hint_channels=3, dtype=torch.float32, operations=comfy.ops.disable_weight_init)
    config.pop("out_channels")
    network = comfy.cldm.cldm.ControlNet(**config)
    controls.extend(network, types, 32)
    control = comfy.controlnet.ControlNet(kit.fill(network, 6).eval(), load_device=torch.device("cpu"))
    control.set_extra_arg("control_type", [1])
    return control


KINDS = {False: {"ControlNet": kit.control_net, "Control-LoRA": lora, "T2I": adapter, "light T2I": lambda: adapter(light=True)},
         True: {"ControlNet": lambda: kit.control_net(**kit.SDXL), "Control-LoRA": lambda: lora(sdxl=True), "T2I": lambda: adapter(sdxl=True), "union": union}}


@cache
def model(sdxl: bool = False):
    return kit.unet(sdxl=sdxl)


def hint():
    return controls.picture(1, 64, 64, 5)


def prompts():
    return kit.conditioning(1), kit.conditioning(2)


def core(pair, net, image, strength: float = 0.7, window=(0.0, 1.0)):
    return nodes.ControlNetApplyAdvanced().apply_controlnet(*pair, net, image, strength, *window)


def ours(pair, net, image, strength: float = 0.7, **settings):
    return host.apply_control(*pair, net, image, ControlResiduals(strength=strength, **settings))


def run(pair, sdxl: bool = False, m=None, steps: int = 2, width: int = 12):
    return kit.sample(m or model(sdxl), *pair, torch.zeros(2, 4, 8, width), steps=steps)


def check_every_kind_is_as_in_core():
    for sdxl, kinds in KINDS.items():
        plain = run(prompts(), sdxl)
        for make in kinds.values():
            net = make()
            made = run(ours(prompts(), net, hint()), sdxl)
            assert_same(made, run(core(prompts(), net, hint()), sdxl))
            assert_differs(made, plain)
            assert_differs(run(ours(prompts(), net, hint(), soft=True), sdxl), made)
    window = dict(window=(0.3, 0.6))
    assert_same(run(ours(prompts(), net, hint(), **window), True, steps=5), run(core(prompts(), net, hint(), **window), True, steps=5))


def check_chains_of_every_kind(thorough=False):
    """Ours between core's, of two kinds: nothing is lost, nothing counts twice."""
    for sdxl, kinds in KINDS.items() if thorough else [(False, KINDS[False])]:
        first, last = kit.control_net(seed=9, **(kit.SDXL if sdxl else {})), list(kinds.values())[2]()
        for make in kinds.values():
            net = make()
            chains = [core(middle(core(prompts(), first, hint().flip(1), 0.4), net, hint()), last, hint().flip(2), 0.3) for middle in (ours, core)]
            assert_same(*(run(chain, sdxl) for chain in chains))


def check_windows_share_the_network_of_a_control_lora():
    built = []

    class Counted(comfy.cldm.cldm.ControlNet):
        def __init__(self, **config):
            built.append(1)
            super().__init__(**config)

    def count(apply, m):
        built.clear()
        made = run(apply(prompts(), lora(), wide), m=m, width=20)
        return made, len(built)

    windows = host.attach(model(), *multidiffusion((8, 8), (4, 4)))
    wide = controls.picture(1, 64, 160, 2)
    original, comfy.cldm.cldm.ControlNet = comfy.cldm.cldm.ControlNet, Counted
    try:
        (_, usual), *counted = (count(*case) for case in ((core, model()), (ours, model()), (core, windows), (ours, windows)))
    finally:
        comfy.cldm.cldm.ControlNet = original
    assert [number for _, number in counted] == [usual] * 3, (usual, [number for _, number in counted])
    assert_same(counted[1][0], counted[2][0])


def check_nothing_is_computed_at_inactive_steps():
    net, calls = kit.control_net(), []
    net.control_model.register_forward_pre_hook(lambda *_: calls.append(1))
    curve = controls.Curve.parse("0:0, 0.5:0, 0.6:1, 0.8:0")
    for settings, expected in ((dict(window=(0.9, 0.95)), 0), (dict(curve=curve), 1), ({}, 5)):
        calls.clear()
        run(ours(prompts(), net, hint(), **settings), steps=5)
        assert len(calls) == expected, (settings, len(calls))


def check_no_waiting_for_the_device():
    """Against core's control with the same numbers; every setting on."""
    net = kit.control_net()
    everything = dict(curve=controls.Curve.parse("0:1, 1:0.5"), blocks=(0.5,) * 13, soft=True, mask=torch.rand(1, 64, 64))
    one_look_at_sigma = waits(core(prompts(), net, hint())) + 1
    assert waits(ours(prompts(), net, hint(), **everything)) <= one_look_at_sigma


def waits(pair) -> int:
    """How often a step in the middle of a run waits for the device."""
    seen = []
    with Counter() as counter:
        noise = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(1))
        look = lambda *_: seen.append(counter.counts["sync"])
        comfy.sample.sample(answering_percents(model()), noise, 4, 5.0, "euler", "normal", *pair, torch.zeros_like(noise), callback=look)
    return seen[2] - seen[1]
