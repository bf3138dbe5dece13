"""DexiNed files -> the network, in kornia's own class."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from kornia.filters.dexined import DexiNed  # the path that old and new kornia share; the class itself has moved
from torch import Tensor

from ..processors.errors import ConcordError
from .files import read_nested

FITS = "DexiNed_BIPED_10.pth, published by kornia and by the authors, fits; put it into models/dexined"


def read_soft_edge(path: str | Path) -> DexiNed:
    """The network on the CPU, in float32 and evaluation mode; ConcordError if the file is of something else."""
    path = Path(path)
    tensors = _tensors(read_nested(path))
    with torch.device("meta"):
        network = DexiNed(pretrained=False)
    wanted = network.state_dict()
    counts = {name: torch.zeros((), dtype=torch.long) for name in wanted if name.endswith("num_batches_tracked")}  # for training only
    refused = f"{path.name} is not a DexiNed file: "
    for name in sorted(wanted.keys() - counts.keys()):
        if name not in tensors:
            raise ConcordError(f"{refused}it has no {name} (it has {', '.join(sorted(tensors)[:4]) or 'no named tensors'}). {FITS}")
        if tensors[name].shape != wanted[name].shape:
            raise ConcordError(f"{refused}its {name} is {tuple(tensors[name].shape)}, {tuple(wanted[name].shape)} was expected. {FITS}")
    exact = {name: (counts | tensors)[name].to(tensor.dtype) for name, tensor in wanted.items()}
    network.load_state_dict(exact, assign=True)
    return network.requires_grad_(False).eval()


def _tensors(content: Any) -> dict[str, Tensor]:
    """By name, without the wrapping of a training checkpoint; empty if there are none."""
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    content = content if isinstance(content, dict) else {}
    return {name.removeprefix("module."): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
