"""Pictures as nodes pass them, and back: whole batches, in pieces that fit in memory."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..errors import ConcordError

PIXELS = 4 * 1024 * 1024  # worked on at once; a larger picture is a piece of its own


def hints(make: Callable[[Tensor], Tensor], image: Tensor, device: torch.device | str, begin: Callable[[int, int], None]) -> Tensor:
    """IMAGE [B, y, x, C] 0..1 -> IMAGE [B, y, x, 3] 0..1, float32 on the picture's own device.

    make: pictures [b, 3, y, x] on `device` -> hint [b, 1|3, y, x]; every picture's hint is its own, so it does not matter where batches are
    cut. begin(first, B) is told before each piece and may raise, to stop. One channel becomes three, a fourth (transparency) is left out.
    """
    if image.ndim != 4 or not image.numel():
        raise ConcordError(f"a batch of pictures [B, y, x, C] was expected, got a tensor of shape {tuple(image.shape)}; connect an IMAGE")
    made = []
    for first, piece in _pieces(image):
        begin(first, len(image))
        picture = piece.to(device, torch.float32).movedim(-1, 1)[:, :3]
        picture = picture.expand(-1, 3, -1, -1) if picture.shape[1] == 1 else picture
        hint = make(picture.clamp(0, 1)).float().expand(-1, 3, -1, -1)
        if hint.shape[-2:] != picture.shape[-2:]:
            raise ConcordError(f"a hint of {tuple(hint.shape)} came out for a picture of {tuple(picture.shape)}; sizes must stay")
        made.append(hint.movedim(1, -1).to(image.device))
    return torch.cat(made).contiguous()


def _pieces(image: Tensor) -> Iterator[tuple[int, Tensor]]:
    count = max(1, PIXELS // (image.shape[1] * image.shape[2]))
    for first in range(0, len(image), count):
        yield first, image[first : first + count]
