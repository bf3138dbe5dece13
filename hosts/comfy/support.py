"""Which of ComfyUI's models our edits know; others are refused in one line when a node runs."""
from __future__ import annotations

from typing import Any

from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_base import SDXL, ModelType

from ...processors.errors import ConcordError

FITS = "Concord works on Stable Diffusion 1.x and SDXL models that predict noise"


def check_supported(model: Any) -> None:
    """model: the host's ModelPatcher."""
    base = model.model
    network = getattr(base, "diffusion_model", None)
    config = getattr(base.model_config, "unet_config", {})
    found = None
    if not isinstance(network, UNetModel):
        found = f"a {type(base).__name__} model"
    elif base.model_type == ModelType.V_PREDICTION:
        found = "a model with v-prediction" + (" (Stable Diffusion 2)" if config.get("context_dim") == 1024 else "")
    elif base.model_type != ModelType.EPS:
        found = f"a model with {base.model_type.name} prediction"
    elif config.get("context_dim") == 1024:
        found = "a Stable Diffusion 2 model"
    elif config.get("in_channels") != 4:
        found = f"a model with {config.get('in_channels')} input channels (inpainting, editing and depth models have more than 4)"
    elif type(base).__name__ not in ("BaseModel", "SDXL"):
        found = f"a {type(base).__name__} model"
    if found:
        raise ConcordError(f"this is {found}; {FITS}. Load another checkpoint, or take the Concord nodes out of this model's chain")


def native_pixels(model: Any) -> int:
    """The picture size that a model was made for."""
    return getattr(model.model.model_config, "native_pixels", None) or (1024 if isinstance(model.model, SDXL) else 512)
