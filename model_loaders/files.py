"""Weight files -> what they hold: safetensors memory-mapped, pickles with torch's weights-only reader, which runs no code."""
from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..processors.errors import ConcordError

SAFE = (".safetensors", ".sft")
PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pt2", ".pkl")


def read_nested(path: Path) -> Any:
    """-> the file's tensors by name, on the CPU, in the file's precision, mapped rather than copied where the format allows it;
    of a pickle its own structure: lists, numbers, wrappers."""
    if not path.is_file():
        raise ConcordError(f"{path} is not there. Put the file in that folder or choose one that is.")
    if path.suffix.lower() in SAFE:
        return _safetensors(path)
    if path.suffix.lower() in PICKLES:
        return _pickle(path)
    raise ConcordError(f"{path.name} is not a weight file that can be read: expected {', '.join(SAFE + PICKLES)}.")


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ConcordError(f"{path.name} cannot be read as safetensors ({error}). The download is probably incomplete: fetch it again.") from error


def _pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise ConcordError(f"{path.name} is refused: it is a pickle that holds more than tensors, or is damaged ({_first_line(error)}). "
                           "Nothing in it was run. Use the safetensors version of this file.") from error  # fmt: skip
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise ConcordError(f"{path.name} cannot be read ({_first_line(error)}). The download is probably incomplete: fetch it again.") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
