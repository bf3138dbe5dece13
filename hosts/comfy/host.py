"""What nodes ask of their host, in ComfyUI. `hosts/diffusers/host.py` has the same functions."""
from __future__ import annotations

from typing import Any

from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...processors.edit import Edit, Program
from ...processors.features.controlnet import ControlResiduals
from ...processors.rows import Lanes
from .control import WeighedControl
from .control_family import of_type
from .image_adapter import cross_attentions, read_adapter, vision
from .inversion import as_latent, from_latent, invert, walk_back
from .null_text import null_text
from .pictures import keep, make_hints, model_path
from .practice import load_adapter as practice_adapter
from .practice import load_control_net as practice_control_net
from .practice import load_model as practice_model
from .prompts import encode_prompt, read_prompt
from .sampling import calc_cond_batch, outer_sample
from .session import PROGRAM
from .support import check_supported, native_pixels
from .unet import diffusion_model

__all__ = ["apply_control", "as_latent", "attach", "cross_attentions", "encode_prompt", "from_latent", "invert", "keep", "make_hints", "model_path",
           "native_pixels", "null_text", "practice_adapter", "practice_control_net", "practice_model", "read_adapter", "read_prompt", "vision", "walk_back"]

WRAPPERS = ((WrappersMP.OUTER_SAMPLE, outer_sample), (WrappersMP.CALC_COND_BATCH, calc_cond_batch), (WrappersMP.DIFFUSION_MODEL, diffusion_model))


def attach(model: Any, *edits: Edit, lanes: Lanes | None = None) -> Any:
    """A clone of `model` with these edits added to its program. Neutral edits leave no trace; models that are not supported are refused."""
    check_supported(model)
    model = model.clone()
    options = dict(model.model_options.get("transformer_options", {}))
    program = options.get(PROGRAM, Program()).add(edits, lanes)
    if not program:
        return model
    options[PROGRAM] = program
    model.model_options["transformer_options"] = options
    for kind, wrapper in WRAPPERS:
        if not model.wrappers.get(kind, {}).get(PROGRAM):
            model.add_wrapper_with_key(kind, PROGRAM, wrapper)
    return model


def apply_control(positive: list, negative: list, control_net: Any, image: Tensor, edit: ControlResiduals, vae: Any = None,
                  union_type: str = "auto") -> tuple[list, list]:
    """The conditionings of the edit's branches with the control net added, as core's ControlNetApplyAdvanced adds it, weighed by `edit`.

    image [B, y, x, C] 0..1; union_type: a key of UNION_TYPES, or "auto" for what the control net is set to.
    """
    if edit.neutral():
        return positive, negative
    control_net = of_type(control_net, union_type)
    hint = image.movedim(-1, 1)[:, :3]
    made: dict[int, WeighedControl] = {}  # one object per chain, so that both branches may run in one call

    def add(meta: dict) -> dict:
        before = meta.get("control")
        if id(before) not in made:
            inner = control_net.copy().set_cond_hint(hint, 1.0, (0.0, 1.0), vae=vae)
            made[id(before)] = WeighedControl(inner, edit)
            made[id(before)].set_previous_controlnet(before)
        return {**meta, "control": made[id(before)], "control_apply_to_uncond": False}

    with_control = lambda branch, conditioning: ([[tensor, add(meta)] for tensor, meta in conditioning]
                                                 if edit.branches is None or branch in edit.branches else conditioning)
    return with_control("positive", positive), with_control("negative", negative)
