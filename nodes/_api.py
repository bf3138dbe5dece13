"""What node files import: `io` and `ui` (ComfyUI's node schema, or our stand-in of it), `host()` (the adapter that does the work), `model_files()`
and `schedulers()`.

The only file that imports `comfy_api`. A pack is loaded by ComfyUI after `comfy_api.latest`; where that is not loaded we do not run inside
ComfyUI, even if it could be imported. Arguments of schemas and inputs that an older ComfyUI does not know yet are left out: it would refuse
the whole pack for one of them. Nothing of `comfy_api` is changed; `io` is a view of it.
"""
from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import Parameter, signature
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

IN_COMFYUI = "comfy_api.latest" in sys.modules


def host() -> ModuleType:
    """`hosts.comfy.host` inside ComfyUI, `hosts.diffusers.host` elsewhere; imported at the first call, since it brings torch."""
    name = "comfy" if IN_COMFYUI else "diffusers"
    return import_module(f"..hosts.{name}.host", __package__)


def model_files(folder: str) -> list[str]:
    """The files of a models folder, for a combo. Unlike `host()` this brings no torch."""
    if IN_COMFYUI:
        return import_module("..hosts.comfy.folders", __package__).names(folder)
    return import_module("..hosts.diffusers.graph.context", __package__).current().names(folder)


def schedulers() -> list[str]:
    """The schedulers that the host knows, for a combo."""
    if IN_COMFYUI:
        return list(import_module("comfy.samplers").KSampler.SCHEDULERS)
    return list(import_module("..hosts.diffusers.sigmas", __package__).SCHEDULERS)


class PortableIO:
    """A view of a host's `io` that leaves out arguments which this version of the host does not have."""

    def __init__(self, host_io: Any) -> None:
        self._io = host_io

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._io, name)
        if name == "Schema":
            return partial(_known, found)
        if name == "Custom":
            return lambda io_type: _portable_type(found(io_type))
        return _portable_type(found) if hasattr(found, "io_type") and hasattr(found, "Input") else found


def _portable_type(found: Any) -> SimpleNamespace:
    output = partial(_known, found.Output) if hasattr(found, "Output") else None
    return SimpleNamespace(io_type=found.io_type, Input=partial(_known, found.Input), Output=output)


def _known(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    parameters = signature(make).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values()):
        return make(*args, **kwargs)
    return make(*args, **{name: value for name, value in kwargs.items() if name in parameters})


if TYPE_CHECKING:
    from . import _schema as io
    from . import _schema as ui
    from ._schema import ComfyExtension
elif IN_COMFYUI:
    from comfy_api.latest import ComfyExtension, ui
    from comfy_api.latest import io as _host_io

    io = PortableIO(_host_io)
else:
    from . import _schema as io
    from . import _schema as ui
    from ._schema import ComfyExtension

__all__ = ["ComfyExtension", "IN_COMFYUI", "PortableIO", "host", "io", "model_files", "schedulers", "ui"]
