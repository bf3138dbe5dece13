"""Pictures from files, as ComfyUI's LoadImage reads them."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ....processors.errors import ConcordError

if TYPE_CHECKING:
    from numpy import ndarray
    from PIL.Image import Image
    from torch import Tensor


def read_picture(path: Path) -> tuple[Tensor, Tensor]:
    """-> IMAGE [B, y, x, 3] 0..1, MASK [B, y, x] = 1 - alpha, or 64 x 64 zeros without alpha; frames of another size than the first are left out."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps, ImageSequence

    images, masks, size = [], [], None
    try:
        with Image.open(path) as file:
            for raw in ImageSequence.Iterator(file):
                frame = ImageOps.exif_transpose(raw) or raw
                size = size or frame.size
                if frame.size == size:
                    images.append(_pixels(frame))
                    masks.append(_transparency(frame))
                if file.format == "MPO":  # stereo photographs hold other views, not frames
                    break
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConcordError(f"{path} is not a picture that can be read ({error})") from error
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))


def _pixels(frame: Image) -> ndarray:
    """[y, x, 3] 0..1; pictures of 16 bits a pixel keep them all (Pillow would cut them at 255)."""
    import numpy as np

    if frame.mode.startswith("I"):
        return np.repeat(np.asarray(frame, dtype="float32")[..., None] / 65535.0, 3, axis=-1)
    return np.asarray(frame.convert("RGB"), dtype="float32") / 255.0


def _transparency(frame: Image) -> ndarray:
    import numpy as np

    if "A" in frame.getbands() or "transparency" in frame.info:
        return 1.0 - np.asarray(frame.convert("RGBA").getchannel("A"), dtype="float32") / 255.0
    return np.zeros((64, 64), dtype="float32")
