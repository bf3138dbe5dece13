"""Which of ComfyUI's models our edits know; others are refused in one line when a node runs."""
from __future__ import annotations

from typing import Any

from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_base import IP2P, SDXL, ModelType

from ...processors.errors import ConcordError

FITS = ("Concord works on Stable Diffusion 1.x and SDXL models that predict noise, also on those for inpainting (9 input channels) "
        "and for editing by instruction (8)")
KINDS = ("BaseModel", "SDXL", "SD15_instructpix2pix", "SDXL_instructpix2pix")


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
    elif type(base).__name__ not in KINDS:
        found = f"a {type(base).__name__} model"
    elif config.get("in_channels") != 4 + beside(base):
        found = f"a model with {config.get('in_channels')} input channels"
    if found:
        raise ConcordError(f"this is {found}; {FITS}. Load another checkpoint, or take the Concord nodes out of this model's chain")


def beside(base: Any) -> int:
    """How many channels of conditions the host lays beside the noisy latent: pictures and masks as large as it, cropped alike for areas and windows."""
    if isinstance(base, IP2P):
        return 4
    return 5 if tuple(base.concat_keys) == ("mask", "masked_image") else 0


def check_mask_is_told(model: Any, latent: dict[str, Any], *prompts: list) -> None:
    """Refuses a walk without noise masks for an inpainting model that would hear of the mask, and of what it keeps, from nothing else."""
    if model.model.concat_keys and "noise_mask" in latent and any("concat_mask" not in keys for prompt in prompts for _, keys in prompt):
        raise ConcordError("this inpainting model is told by the latent alone what is masked, which an inversion leaves out; connect core's "
                           "InpaintModelConditioning to the prompts of the inversion and of the sampler")


def native_pixels(model: Any) -> int:
    """The picture size that a model was made for."""
    return getattr(model.model.model_config, "native_pixels", None) or (1024 if isinstance(model.model, SDXL) else 512)
