"""The headless host: its networks, and open runs of which every call is a step."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.control_net import Control
from concord.hosts.diffusers.guidance import Followed
from concord.hosts.diffusers.looking import look_of
from concord.hosts.diffusers.model import Model
from concord.hosts.diffusers.sample import guided
from concord.processors.stepping import Stepper, changes_canvas
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn

from .setups import SIGMAS, Asked, Kit
from .sizes import SD15, Size, fill, noise
from .steps import Call

Given = TypeVar("Given")


def empty(make: Callable[[], nn.Module], size: Size, device: str) -> nn.Module:
    """A network without the minutes that its own random weights take."""
    with torch.device("meta"):
        network = make()
    return fill(network.to_empty(device="cpu")).to(device, size.dtype)


def kit(size: Size, device: str) -> Kit:
    practice, clip, _ = host.practice_model()
    if size.unet is None:
        practice.network.to(device)
        return Kit(host, size, practice, clip, lambda: practice_control_net(device))
    made: Any = empty(lambda: UNet2DConditionModel(**size.unet), size, device)  # type: ignore[arg-type]
    control = None if size.sdxl else lambda: Control(empty(lambda: ControlNetModel(**SD15), size, device))
    return Kit(host, size, Model(made, "sdxl" if size.sdxl else "sd1"), clip, control)


def practice_control_net(device: str) -> Control:
    control = host.practice_control_net()
    control.network.to(device)
    return control


def network(model: Model) -> nn.Module:
    return model.network


def mode() -> AbstractContextManager:
    """In which the host samples."""
    return torch.no_grad()


def opened(asked: Mapping[str, Asked], shape: tuple[int, ...], cfg: float, then: Callable[[Mapping[str, Call]], Given]) -> Given:
    """What `then` finds out about the open runs of all that is asked. shape: of the latents."""
    with mode():
        return then({name: run(*one, shape, cfg) for name, one in asked.items()})


def run(model: Model, positive: list, negative: list, shape: tuple[int, ...], cfg: float) -> Call:
    """As `sample` begins one."""
    x = 9 * noise(1, *shape).to(model.device)
    denoise: Any = guided(model, cfg, {"positive": positive, "negative": negative}, shape[0], (shape[2], shape[3]), torch.tensor(SIGMAS))
    denoise.run.noise, denoise.run.look = x / 9, look_of(denoise)
    return Call(Followed(denoise, Stepper(denoise.run)) if changes_canvas(denoise.run.program) else denoise, x)
