"""Names of devices and number formats -> what torch takes."""
from __future__ import annotations

import torch

from ....processors.errors import ConcordError


def device_and_dtype(device: str | None, dtype: str | None) -> tuple[str, torch.dtype | None]:
    """The device asked for, or the fastest there is; ConcordError if it is not there."""
    name = device or _fastest()
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        raise ConcordError(f'--device "{name}" cannot be used ({str(error).splitlines()[0]}); there is {_fastest()}') from error
    return name, getattr(torch, dtype) if dtype else None


def _fastest() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
