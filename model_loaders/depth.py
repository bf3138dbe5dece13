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
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ConcordError(f"{folder.name}/{WEIGHTS} cannot be read ({_first_line(error)}). "
                           "The download is probably incomplete: fetch the folder again") from error
    network, told = loaded
    if lacking := [str(key) for key in (*told["missing_keys"], *told["mismatched_keys"])]:
        raise ConcordError(f"{folder.name}/{WEIGHTS} does not fit its {CONFIG}: {len(lacking)} tensors are missing or of another shape, "
                           f"first {sorted(lacking)[0]}. {FITS}")
    return network.float().requires_grad_(False).eval()


def _wants(settings: dict[str, Any], name: str) -> DepthInput:
    """What a DPT image processor does to pictures; settings that it has not are refused rather than passed over."""
    size = settings.get("size", {"height": 384, "width": 384})
    size = {"height": size, "width": size} if isinstance(size, int) else size
    kernel = KERNELS.get(settings.get("resample", 3))
    unusual = [key for key, usual in (("do_resize", True), ("do_rescale", True), ("do_normalize", True), ("do_pad", False))
               if bool(settings.get(key, usual)) != usual]  # fmt: skip
    if unusual or kernel is None or not {"height", "width"} <= set(size):
        asked = ", ".join(f"{key} {settings.get(key)}" for key in (unusual or ["size", "resample"]))
        raise ConcordError(f"{name}/{PICTURES} asks for something that is not supported: {asked}. {FITS}")
    return DepthInput(size["height"], size["width"], bool(settings.get("keep_aspect_ratio", False)), settings.get("ensure_multiple_of") or 1, kernel,
                      tuple(settings.get("image_mean") or (0.5,) * 3), tuple(settings.get("image_std") or (0.5,) * 3))


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
