"""Weight files -> named tensors."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from ....model_loaders.files import read_nested
from ....processors.errors import ConcordError


def read_tensors(path: Path) -> dict[str, Tensor]:
    """-> the file's tensors by name, on the CPU, in the file's precision, mapped rather than copied where the format allows it."""
    return named_tensors(read_nested(path), path)


def named_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The tensors of what a file holds, without the wrappers that training leaves around them."""
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)} if isinstance(content, dict) else {}
    if not tensors:
        raise ConcordError(f"{path.name} holds no named tensors, but {type(content).__name__}. A checkpoint, LoRA or other weight file fits here.")
    return tensors
