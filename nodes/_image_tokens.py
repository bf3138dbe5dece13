"""From what is plugged into a node to the tokens that an image adapter makes of a picture."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..model_loaders.clip_vision import VisionOutput
from ..model_loaders.image_adapter import EMBEDS, ImageAdapter, read_image_adapter
from ..processors.attention.image_prompt import subtract_text
from ..processors.errors import ConcordError
from ._api import host


def opened(adapter: Any, clip_vision: Any = None) -> tuple[ImageAdapter, Any]:
    """CONCORD_ADAPTER, or what other packs send as IPADAPTER (the file's tensors, or a bundle with the tower) -> the adapter and what looks at pictures."""
    name = "the connected IPADAPTER"
    if isinstance(adapter, Mapping) and isinstance(adapter.get("ipadapter"), Mapping):  # of a loader that brings all parts at once
        clip_vision = (adapter.get("clipvision") or {}).get("model") if clip_vision is None else clip_vision
        name, adapter = adapter["ipadapter"].get("file") or name, adapter["ipadapter"].get("model")
    if isinstance(adapter, Mapping):
        adapter = read_image_adapter(adapter, str(name))
    if not isinstance(adapter, ImageAdapter):
        raise ConcordError(f"an image adapter was expected, got a {type(adapter).__name__}; connect Load Image Adapter, or a loader that gives IPADAPTER")
    if clip_vision is None and adapter.vision is None:
        raise ConcordError(f"{adapter.name} needs a CLIP Vision model to look at pictures: connect Load CLIP Vision with {adapter.clip} to clip_vision")
    return adapter, adapter.vision if clip_vision is None else host().vision(clip_vision)


def image_tokens(adapter: ImageAdapter, vision: Any, image: Tensor, *, image_negative: Tensor | None = None, combine: str = "concatenate", crop: bool = True,
                 text: Tensor | None = None, amount: float = 1.0) -> tuple[Tensor, Tensor]:
    """Pictures [B, y, x, C] 0..1 -> tokens for the positive and for the negative branch, [1|B, T, C] each.

    Without `image_negative` the negative is what the authors trained with in the place of no picture. text [1|B, D]: an embedding of the same CLIP,
    taken off the picture's as often as `amount` says (InstantStyle, arXiv 2404.02733, section 3.3).
    """
    seen = vision.encode_image(image, crop)
    said = seen[adapter.needs] if text is None or amount == 0 else without_text(adapter, seen, text, amount)
    tokens = adapter.encode(said, combine)
    if image_negative is not None:
        return tokens, adapter.encode(vision.encode_image(image_negative, crop)[adapter.needs], combine)
    return tokens, adapter.nothing(None if adapter.needs == EMBEDS else vision.encode_mean_colour()[adapter.needs])


def without_text(adapter: ImageAdapter, seen: VisionOutput, text: Tensor, amount: float) -> Tensor:
    if adapter.needs != EMBEDS:
        raise ConcordError(f"{adapter.name} is of the {adapter.kind} kind, which reads the picture in parts; text can only be taken off the single embedding "
                           "that base adapters read. Disconnect subtract_text, or load a base adapter")
    return subtract_text(seen.image_embeds, text.cpu().float(), amount)


def pooled(conditioning: list) -> Tensor:
    """The whole prompt as one embedding."""
    found = conditioning[0][1].get("pooled_output") if conditioning else None
    if found is None:
        raise ConcordError("subtract_text has no pooled embedding; connect a prompt of CLIP Text Encode (SDXL's, for adapters that look with ViT-bigG)")
    return found


def masks(mask: Tensor | None) -> Tensor | None:
    """MASK, for one picture or several -> [B, y, x]."""
    return mask[None] if mask is not None and mask.ndim == 2 else mask
