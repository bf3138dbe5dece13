"""Weight files: fp16 safetensors in the layouts that published models have, replaced in one move."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from ..processors.errors import ConcordError


def save_half(state: dict[str, Tensor], path: Path) -> None:
    """Write `state` as fp16; a text tower gets the keys of published files. Whoever reads the old file at the same moment keeps a whole one."""
    from safetensors.torch import save_file

    level = "text_model." if path.stem == "text_encoder" else ""  # transformers 5 dropped this level of `CLIPTextModel`
    state = {level + key.removeprefix(level): value.detach().half().cpu().contiguous() for key, value in state.items() if value.is_floating_point()}
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise ConcordError(f"{path.name} would hold non-finite numbers in {broken[0]} and {len(broken) - 1} others; train again with a lower rate.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(state, str(part), metadata={"format": "pt"})
    part.chmod(0o644)  # safetensors writes through a private temporary file
    os.replace(part, path)
