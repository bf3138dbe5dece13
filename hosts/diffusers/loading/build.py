"""Named tensors -> a module, strictly: nothing missing, nothing left over, every shape right."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ....processors.errors import ConcordError

M = TypeVar("M", bound=nn.Module)
NAMED = 4  # of many keys, how many a message names


def build(make: Callable[[], M], tensors: dict[str, Tensor], file: str, device: str | torch.device = "cpu", dtype: torch.dtype | None = None) -> M:
    """Makes a module without memory of its own and hands it the file's tensors; in evaluation mode, on `device`. `dtype` None keeps the file's."""
    with torch.device("meta"):
        module = make()
    wanted = {name: tensor.shape for name, tensor in module.state_dict().items()}
    missing, over = wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys()
    if missing or over:
        raise ConcordError(f"{file}: {_parts(missing, over)}. The file is incomplete or of another kind; fetch it again, or choose the loader that fits it.")
    if wrong := [f"{name} is {list(tensors[name].shape)}, not {list(shape)}" for name, shape in wanted.items() if tensors[name].shape != shape]:
        raise ConcordError(f"{file}: {listed(wrong)}. The file is of another kind than its other tensors say.")
    placed = {name: tensor.to(device, dtype if tensor.is_floating_point() else None) for name, tensor in tensors.items()}
    module.load_state_dict(placed, assign=True)
    return module.requires_grad_(False).eval()


def listed(names: Iterable[str]) -> str:
    """"a, b, c, d and 12 more" """
    names = sorted(names)
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def below(tensors: dict[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """The tensors under the first prefix that has any, without it; {} where none has."""
    for prefix in prefixes:
        if found := {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}:
            return found
    return {}


def count(tensors: Iterable[str], pattern: str) -> int:
    """How many numbers 0, 1, 2, ... stand at the `{}` of `pattern`: the length of a list of layers."""
    before, after = pattern.split("{}")
    numbers = {name[len(before) :].split(".")[0] for name in tensors if name.startswith(before) and after in name}
    return next(n for n in range(len(numbers) + 1) if str(n) not in numbers)


def _parts(missing: Iterable[str], over: Iterable[str]) -> str:
    return "; ".join(f"{label} {listed(names)}" for label, names in (("missing", missing), ("not expected", over)) if names)
