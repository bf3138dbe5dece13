"""Controls of another family than the model's are refused by name before the first step; kinds that are not known are left to the host."""
from types import SimpleNamespace

import comfy.controlnet
import comfy.ldm.cascade.controlnet
import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.hosts.comfy.control_family import check_fits
from concord.processors.errors import ConcordError
from concord.processors.features.controlnet import ControlResiduals
from control_kinds import adapter, hint, lora, prompts, run, union
from refusals import flux
from techniques import assert_differs, assert_same


def refusal(control, base, **settings) -> str:
    try:
        check_fits(control, ControlResiduals(**settings), base)
    except ConcordError as error:
        assert "\n" not in str(error) and len(str(error)) < 300
        return str(error)
    raise AssertionError("was accepted")


def check_wrong_families_are_named():
    bases = {sdxl: kit.unet(sdxl=sdxl, context_dim=2048 if sdxl else 768).model for sdxl in (False, True)}
    names = {False: "Stable Diffusion 1.x", True: "SDXL"}
    nets = {sdxl: [kit.control_net(**(kit.SDXL if sdxl else {}) | dict(context_dim=2048 if sdxl else 768)), lora(sdxl=sdxl), adapter(sdxl=sdxl)]
            for sdxl in bases}
    for sdxl, base in bases.items():
        compiled = SimpleNamespace(diffusion_model=SimpleNamespace(_orig_mod=base.diffusion_model))
        for fits, other in zip(nets[sdxl], nets[not sdxl], strict=True):
            check_fits(fits, ControlResiduals(), base)
            check_fits(fits, ControlResiduals(soft=True), compiled)
            said = refusal(other, base)
            assert f"a control for {names[not sdxl]}" in said and f"the model is {names[sdxl]};" in said
        assert "takes 10 for SDXL" in refusal(nets[True][0], bases[True], blocks=(1.0,) * 13)
    sd2 = kit.control_net(context_dim=1024)
    assert "Stable Diffusion 2.x" in refusal(sd2, bases[False])
    cascade = comfy.controlnet.T2IAdapter(comfy.ldm.cascade.controlnet.ControlNet(c_in=3, proj_blocks=[0]), 3, 32, "bilinear", torch.device("cpu"))
    assert "for other kinds of models" in refusal(cascade, bases[False])
    transformer = flux().model
    assert "Stable Diffusion 1.x, but the model is a Flux" in refusal(nets[False][0], transformer)
    unknown = comfy.controlnet.ControlBase()
    assert "blocks of a UNet" in refusal(unknown, transformer, soft=True)
    check_fits(unknown, ControlResiduals(), transformer)
    check_fits(unknown, ControlResiduals(), bases[True])


def check_union_types():
    image, settings = hint(), ControlResiduals(strength=0.7)
    apply = lambda net, kind: host.apply_control(*prompts(), net, image, settings, None, kind)
    made = run(apply(union(), "depth"), True)
    assert_same(made, run(apply(union(), "auto"), True))  # set to depth before
    assert_differs(made, run(apply(union(), "normal"), True))
    for net, kind, said in ((union(), "tile", "knows 6 types"), (kit.control_net(), "tile", "no union"), (lora(), "depth", "no union"),
                            (None, "auto", "got nothing")):
        try:
            apply(net, kind)
        except ConcordError as error:
            assert said in str(error)
        else:
            raise AssertionError("was accepted")
