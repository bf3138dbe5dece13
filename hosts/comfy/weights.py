"""What tells one model's weights from another's, whether the host has put its patches into them yet or not."""
from __future__ import annotations

import hashlib
from typing import Any

from torch import Tensor

from ...processors.edit import feed

FIRST = "diffusion_model.input_blocks.0.0.weight"
FEW = 16


def weights_of(patcher: Any) -> str:
    """A digest of the checkpoint's first layer and of all patches on it (LoRAs): their strengths, and a few values of each."""
    digest = hashlib.sha256()
    kept = getattr(patcher, "backup", {}).get(FIRST)  # the host's own copy, where a patch has changed that layer
    first = kept.weight if kept is not None else patcher.model.diffusion_model.input_blocks[0][0].weight
    feed(digest, few(first))
    for key in sorted(patcher.patches, key=str):
        for strength, patch, of_model, *_ in patcher.patches[key]:
            feed(digest, (str(key), strength, of_model, few(first_tensor(patch))))
    return digest.hexdigest()[:16]


def few(weight: Tensor | None) -> Tensor | None:
    return None if weight is None else weight.detach().flatten()[:FEW].float().cpu()


def first_tensor(patch: Any) -> Tensor | None:
    """The first tensor of a patch: an adapter of the host with `weights`, or a nest of tuples."""
    if isinstance(patch, Tensor):
        return patch
    inside = patch if isinstance(patch, tuple | list) else getattr(patch, "weights", None) or ()
    return next((found for part in inside if (found := first_tensor(part)) is not None), None)
