"""Folders of depth models as transformers saves them -> the network and how it wants its pictures. Nothing is fetched, no code of a folder is run."""
from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..processors.errors import ConcordError
from ..processors.images.depth import KERNELS, DepthInput

WEIGHTS, CONFIG, PICTURES = "model.safetensors", "config.json", "preprocessor_config.json"
FITS = "Depth Anything (1 and 2) and DPT folders in the layout of transformers fit, each with config.json, preprocessor_config.json and model.safetensors"


@dataclass(frozen=True, eq=False)
class DepthModel:
    """network: a module of transformers, or what the host keeps it in; pictures [B, 3, h, w] -> `.predicted_depth` [B, h, w]."""

    network: Any
    wants: DepthInput
    metres: bool  # it predicts distances, not nearness


def read_depth(folder: str | Path) -> DepthModel:
    """On the CPU, in the file's own precision made float32, in evaluation mode."""
    folder = Path(folder)
    config = _json(folder / CONFIG)
    kind = config.get("model_type")
    if kind not in ("depth_anything", "dpt"):
        raise ConcordError(f"{folder.name} holds a {kind or 'nameless'} model, not one for depth that is supported. {FITS}")
    backbone = config.get("backbone_config") or {}
    if not isinstance(backbone, dict):
        raise ConcordError(f"{folder.name}/{CONFIG} cannot be understood: its backbone_config is {backbone!r}. {FITS}")
    if config.get("backbone") or config.get("use_pretrained_backbone") or str(backbone.get("model_type", "")).startswith("timm"):
        raise ConcordError(f"{folder.name} takes parts of its network from elsewhere (its config.json names a backbone), and nothing is fetched. {FITS}")
    wants = _wants(_json(folder / PICTURES), folder.name)
    if kind == "dpt" and (config.get("is_hybrid") or not backbone):
        wants = replace(wants, keep_shape=False)  # DPT's own transformer arranges its tokens in a square
    return DepthModel(_network(folder, kind), wants, config.get("depth_estimation_type") == "metric")


def _network(folder: Path, kind: str) -> Any:
    from safetensors import SafetensorError
    from transformers import DepthAnythingForDepthEstimation, DPTForDepthEstimation

    if not (folder / WEIGHTS).is_file():
        raise ConcordError(f"{folder.name} has no {WEIGHTS}. {FITS}")
    network_class = DepthAnythingForDepthEstimation if kind == "depth_anything" else DPTForDepthEstimation
    try:
        loaded: Any = network_class.from_pretrained(folder, local_files_only=True, use_safetensors=True, trust_remote_code=False,
                                                    ignore_mismatched_sizes=True, output_loading_info=True)  # told below, in our words
    except (SafetensorError, OSError) as error:
        raise ConcordError(f"{folder.name}/{WEIGHTS} cannot be read ({_first_line(error)}). "
                           "The download is probably incomplete: fetch the folder again") from error
    except Exception as error:  # transformers raises all kinds for settings that make no sense
        raise ConcordError(f"{folder.name}/{CONFIG} describes no network that can be built ({_first_line(error)}). {FITS}") from error
    network, told = loaded
    if lacking := [*told["missing_keys"], *(key for key, *_ in told["mismatched_keys"])]:
        raise ConcordError(f"{folder.name}/{WEIGHTS} does not fit its {CONFIG}: {len(lacking)} tensors are missing or of another shape, "
                           f"first {min(lacking)}. {FITS}")
    return network.float().requires_grad_(False).eval()


def _wants(settings: dict[str, Any], name: str) -> DepthInput:
    """What a DPT image processor does to pictures; settings that it has not are refused rather than passed over."""
    setting = lambda key, default: default if settings.get(key) is None else settings[key]
    size, kernel, multiple = setting("size", 384), setting("resample", 3), setting("ensure_multiple_of", 1)
    factor, mean, deviation = setting("rescale_factor", 1 / 255), setting("image_mean", [0.5] * 3), setting("image_std", [0.5] * 3)
    height, width = (size.get("height"), size.get("width")) if isinstance(size, dict) else (size, size)
    understood = {
        "do_resize": setting("do_resize", True), "do_rescale": setting("do_rescale", True), "do_normalize": setting("do_normalize", True),
        "do_pad": not setting("do_pad", False), "size": _count(height) and _count(width), "resample": _count(kernel) and kernel in KERNELS,
        "ensure_multiple_of": _count(multiple), "rescale_factor": _number(factor) and abs(255 * factor - 1) < 0.01,
        "image_mean": _colour(mean), "image_std": _colour(deviation) and all(deviation),
    }  # fmt: skip
    if unusual := [f"{key} {settings.get(key)}" for key, fits in understood.items() if not fits]:
        raise ConcordError(f"{name}/{PICTURES} asks for something that is not supported: {', '.join(unusual)}. {FITS}")
    return DepthInput(height, width, bool(setting("keep_aspect_ratio", False)), multiple, KERNELS[kernel], tuple(mean), tuple(deviation))


def _count(value: Any) -> bool:
    return isinstance(value, int) and value > 0


def _colour(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_number, value))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConcordError(f"{path.parent.name} has no {path.name}. {FITS}") from error
    except (OSError, ValueError) as error:
        raise ConcordError(f"{path.parent.name}/{path.name} cannot be read as JSON ({_first_line(error)}); fetch the folder again") from error
    if not isinstance(content, dict):
        raise ConcordError(f"{path.parent.name}/{path.name} holds a {type(content).__name__}, not settings; fetch the folder again")
    return content


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
