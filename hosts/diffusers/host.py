"""What nodes ask of their host, where diffusers is the host. `hosts/comfy/host.py` has the same functions."""
from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from torch import Tensor

from ...practice import model as practice
from ...processors.edit import Edit
from ...processors.errors import ConcordError
from ...processors.features.controlnet import ControlResiduals, not_control
from ...processors.rows import Lanes
from .control_family import kind_of
from .control_net import Control
from .image_adapter import cross_attentions, read_adapter, vision
from .inversion import as_latent, from_latent, invert, walk_back
from .model import Model
from .null_text import null_text
from .pictures import keep, make_hints, model_path
from .practice import load_adapter as practice_adapter
from .practice import load_control_net as practice_control_net
from .practice import load_model as practice_model
from .prompts import encode_prompt, read_prompt

__all__ = ["apply_control", "as_latent", "attach", "cross_attentions", "encode_prompt", "from_latent", "invert", "keep", "make_hints", "model_path",
           "native_pixels", "null_text", "practice_adapter", "practice_control_net", "practice_model", "read_adapter", "read_prompt", "vision", "walk_back"]


def attach(model: Model, *edits: Edit, lanes: Lanes | None = None) -> Model:
    """`model` with these edits added to its program. Neutral edits leave no trace."""
    if not isinstance(model, Model):
        raise ConcordError(f"a MODEL was expected, got a {type(model).__name__}; connect a checkpoint loader")
    program = model.program.add(edits, lanes)
    return replace(model, program=program) if program else model


def apply_control(positive: list, negative: list, control_net: Control, image: Tensor, edit: ControlResiduals, vae: Any = None,
                  union_type: str = "auto") -> tuple[list, list]:
    """The conditionings of the edit's branches with the control net added after those that are there, weighed by `edit`.

    image [B, y, x, C] 0..1; union_type: a key of UNION_TYPES, or "auto" for what the control net is set to.
    """
    if edit.neutral():
        return positive, negative
    if not isinstance(control_net, Control):
        raise not_control(control_net)
    kind = kind_of(control_net, union_type)
    after = cache(lambda before: replace(control_net.on(image[..., :3], 1.0, previous=before), edit=edit, kind=kind))
    add = lambda meta: {**meta, "control": after(meta.get("control")), "control_apply_to_uncond": False}
    with_control = lambda branch, conditioning: ([[text, add(meta)] for text, meta in conditioning]
                                                 if edit.branches is None or branch in edit.branches else conditioning)
    return with_control("positive", positive), with_control("negative", negative)


def native_pixels(model: Model) -> int:
    """The picture size that a model was made for."""
    if model.network.config.cross_attention_dim == practice.UNET["cross_attention_dim"]:
        return 8 * practice.UNET["sample_size"]
    return 1024 if model.family == "sdxl" else 512


