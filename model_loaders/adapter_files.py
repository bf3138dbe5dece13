"""The layouts in which image adapters are published, and the files that look like one but are something else."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ..processors.errors import ConcordError
from .files import read_nested

PREFIXES = {"image_proj.": "image_proj", "image_proj_model.": "image_proj", "ip_adapter.": "ip_adapter", "adapter_modules.": "ip_adapter"}
WRAPPERS = ("state_dict", "model", "module")
DEPTH = 4  # dictionaries in dictionaries; published files have two


class Parts(NamedTuple):
    """The two halves of an image adapter, with the published names."""

    image_proj: dict[str, Tensor]
    ip_adapter: dict[str, Tensor]


class Foreign(NamedTuple):
    """A kind of file that is no image adapter of ours."""

    what: str
    found: Callable[[Mapping[str, Tensor], Parts], bool]


def width(tensors: Mapping[str, Tensor], name: str, side: int) -> int:
    tensor = tensors.get(name)
    return tensor.shape[side] if tensor is not None and tensor.ndim > side else 0


def begins(*prefixes: str) -> Callable[[Mapping[str, Tensor], Parts], bool]:
    return lambda flat, parts: any(name.startswith(prefixes) for name in flat)


FOREIGN = (  # the first that is found
    Foreign("an image adapter for Flux (XLabs)", begins("double_blocks.", "ip_adapter_proj_model.")),
    Foreign("a PuLID file", begins("id_adapter", "pulid_", *(f"image_proj.{part}" for part in ("mapping_", "id_embedding_mapping.", "body.")))),
    Foreign("a PhotoMaker file", begins("id_encoder.", "lora_weights.")),
    Foreign("a Kolors FaceID adapter", lambda flat, parts: width(parts.image_proj, "perceiver_resampler.layers.0.0.to_out.weight", 0) == 4096),
    Foreign("a FaceID adapter", lambda flat, parts: width(parts.image_proj, "proj.0.weight", 1) == 512 or any("_lora." in name for name in parts.ip_adapter)
            or any(name.startswith("perceiver_resampler.") for name in parts.image_proj)),
    Foreign("InstantID's image adapter, or FaceID portrait (unnorm)", lambda flat, parts: width(parts.image_proj, "proj_in.weight", 1) == 512),
    Foreign("an image adapter for Stable Diffusion 3", lambda flat, parts: any(name.startswith("time_embedding.") for name in parts.image_proj)),
    Foreign("an image adapter for Flux (InstantX)", lambda flat, parts: width(parts.ip_adapter, "0.to_k_ip.weight", 1) == 4096),
    Foreign("an image adapter for Kolors", lambda flat, parts: width(parts.image_proj, "latents", 2) == 2048),
)


def read_parts(source: str | Path | Mapping[str, Any], name: str) -> Parts:
    """-> the tensors of a file, or of what stands in one; `name` is for messages."""
    content = read_nested(Path(source)) if isinstance(source, str | Path) else source
    flat = dict(flatten(content)) if isinstance(content, Mapping) else {}
    parts = Parts({}, {})
    for full, tensor in flat.items():
        for prefix, part in PREFIXES.items():
            if full.startswith(prefix):
                getattr(parts, part)[full.removeprefix(prefix)] = tensor
    what = next((foreign.what for foreign in FOREIGN if foreign.found(flat, parts)), None)
    if what:
        raise ConcordError(f"{name} is {what}, which cannot be used here yet. What fits: IP-Adapter files for Stable Diffusion 1.x or XL: "
                           "base, light, plus, plus-face, full-face and composition.")
    if not all(parts):
        there = ", ".join(sorted(flat)[:4]) + (" ..." if len(flat) > 4 else "") if flat else f"{type(content).__name__} without tensors"
        missing = " and ".join(part for part in parts._fields if not getattr(parts, part))
        raise ConcordError(f"{name} is not an image adapter: it has no {missing} (found: {there}). What fits: IP-Adapter files for Stable Diffusion 1.x or XL.")
    return parts


def flatten(content: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Nested dictionaries -> full names with dots; wrappers that training scripts put around them are left out."""
    for name, value in content.items():
        full = f"{prefix}{name}"
        if isinstance(value, Tensor):
            yield full, value.detach().cpu()  # other packs may hand over parameters, or what stands on their device
        elif isinstance(value, Mapping) and depth < DEPTH:
            yield from flatten(value, "" if full in WRAPPERS else f"{full}.", depth + 1)
