"""The real ComfyUI: its networks in its own classes, and open runs of which every call is a step. For the process that `in_comfyui.py` begins."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_management
import comfy.model_patcher
import comfy.samplers
import torch
from concord.hosts.comfy import host
from concord.tests.comfy import hostkit
from torch import Tensor, nn

from .setups import SIGMAS, Asked, Kit
from .sizes import Size, fill, noise
from .steps import Call

Given = TypeVar("Given")


class Enough(Exception):
    """All has been found out: the open runs need not be done to their end."""


def kit(size: Size, device: str) -> Kit:
    practice, clip, _ = host.practice_model()
    if size.unet is None:
        return Kit(host, size, practice, clip, host.practice_control_net)
    return Kit(host, size, unet(size), clip, None if size.sdxl else lambda: control_net(size))


def unet(size: Size) -> Any:
    model = hostkit.base_model(size.sdxl, hostkit.unet_config(size.sdxl, dtype=size.dtype, **(size.comfy or {})))
    fill(model.diffusion_model)
    load, offload = comfy.model_management.get_torch_device(), comfy.model_management.unet_offload_device()
    return comfy.model_patcher.ModelPatcher(model, load_device=load, offload_device=offload)


def control_net(size: Size) -> Any:
    network = comfy.cldm.cldm.ControlNet(**hostkit.control_config(dtype=size.dtype, **(size.comfy or {})))
    return comfy.controlnet.ControlNet(fill(network), load_device=comfy.model_management.get_torch_device())


def network(model: Any) -> nn.Module:
    return model.model.diffusion_model


def mode() -> AbstractContextManager:
    """In which the host runs nodes."""
    return torch.inference_mode()


def opened(asked: Mapping[str, Asked], shape: tuple[int, ...], cfg: float, then: Callable[[Mapping[str, Call]], Given]) -> Given:
    """What `then` finds out about the open runs of all that is asked: each begins inside the one before, as the host begins runs. shape: of the latents."""
    calls: dict[str, Call] = {}
    found: list[Given] = []

    def begin(left: list[tuple[str, Asked]]) -> None:
        if not left:
            found.append(then(calls))
            raise Enough
        (name, (model, positive, negative)), *rest = left

        def stay(model: Any, x: Tensor, sigmas: Tensor, extra_args: dict | None = None, callback: Any = None, disable: Any = None,
                 noise_sampler: Any = None) -> Tensor:
            calls[name] = Call(lambda x, sigma: model(x, sigma, **(extra_args or {})), x)
            begin(rest)
            return x

        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(positive, negative)
        guider.set_cfg(cfg)
        guider.sample(noise(1, *shape), torch.zeros(shape), comfy.samplers.KSAMPLER(stay), torch.tensor(SIGMAS), disable_pbar=True, seed=1)

    with mode():
        try:
            begin(list(asked.items()))
        except Enough:
            return found[0]
    raise RuntimeError("the host's sampler did not call the function that it was given")
