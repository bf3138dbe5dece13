"""Pictures as nodes pass them, and back: whole batches, in pieces that fit in memory."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..errors import ConcordError

PIXELS = 1024 * 1024  # worked on at once; a larger picture is a piece of its own


def without_network(device: torch.device | str) -> torch.device:
    """Where hints are made that no network draws: they take double precision and large whole numbers, which Apple's GPUs lack."""
    device = torch.device(device)
    return torch.device("cpu") if device.type == "mps" else device


def hints(make: Callable[[Tensor], Tensor], image: Tensor, device: torch.device | str, begin: Callable[[int, int], None]) -> Tensor:
    """IMAGE [B, y, x, C] 0..1 -> IMAGE [B, y, x, 3] 0..1, float32 on the picture's own device.

    make: pictures [b, 3, y, x] on `device` -> hint [b, 1|3, y, x]; every picture's hint is its own, so it does not matter where batches are
    cut. begin(first, B) is told before each piece and may raise, to stop. One channel becomes three, a fourth (transparency) is left out.
    """
    if image.ndim != 4 or not image.numel() or image.shape[-1] not in (1, 3, 4):
        raise ConcordError(f"pictures [B, y, x, C] of 1, 3 or 4 channels were expected, got a tensor of shape {tuple(image.shape)}; connect an IMAGE")
    made = []
    for first, piece in _pieces(image):
        begin(first, len(image))
        picture = piece.to(device, torch.float32).movedim(-1, 1)[:, :3]
        if picture.isnan().any():
            raise ConcordError(f"picture {first + _first_nan(picture)} of the batch (from 0) holds NaN, numbers that are none. "
                               "They mostly come from a VAE in half precision: decode with a VAE in float32 or bfloat16")  # fmt: skip
        picture = picture.expand(-1, 3, -1, -1) if picture.shape[1] == 1 else picture
        hint = make(picture.clamp(0, 1)).float().expand(-1, 3, -1, -1)
        if hint.shape[-2:] != picture.shape[-2:]:
            raise ConcordError(f"a hint of {tuple(hint.shape)} came out for a picture of {tuple(picture.shape)}; sizes must stay")
        if hint.isnan().any():
            raise ConcordError(f"the hint of picture {first + _first_nan(hint)} of the batch (from 0) came out as NaN; "
                               "the model's file is probably damaged: fetch it again")  # fmt: skip
        made.append(hint.movedim(1, -1).to(image.device))
    return torch.cat(made).contiguous()


def _first_nan(pictures: Tensor) -> int:
    return int(pictures.isnan().flatten(1).any(1).nonzero()[0])


def _pieces(image: Tensor) -> Iterator[tuple[int, Tensor]]:
    count = max(1, PIXELS // (image.shape[1] * image.shape[2]))
    for first in range(0, len(image), count):
        yield first, image[first : first + count]
