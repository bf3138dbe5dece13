"""Which kind of diffusion model a file holds, told by its tensors; kinds that cannot be run here are refused by name."""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from ....processors.errors import ConcordError
from .unet_keys import Shape

FITS = "Stable Diffusion 1.x and SDXL base models fit (noise prediction, 4 latent channels)"
OTHER_NETWORKS = {  # a part of a tensor's name that only this family has
    "joint_blocks.": "Stable Diffusion 3",
    "double_blocks.": "Flux",
    "transformer_blocks.0.attn.norm_added_q": "Flux or Stable Diffusion 3.5, in diffusers' layout",
    "pos_embed.proj.": "a diffusion transformer",
    "cap_embedder.": "Lumina",
    "clip_mapper.": "Stable Cascade",
    "clip_txt_mapper.": "Stable Cascade",
    "patch_embedding.": "a video diffusion transformer",
    "temporal_transformer": "Stable Video Diffusion",
    "time_stack.": "Stable Video Diffusion",
    "motion_modules.": "an AnimateDiff motion module",
    "lora_unet_": "a LoRA: load it with a LoRA loader",
    "lora_A.": "a LoRA: load it with a LoRA loader",
    "control_model.": "a ControlNet: load it with a ControlNet loader",
    "controlnet_cond_embedding.": "a ControlNet: load it with a ControlNet loader",
}
OTHER_SAMPLING = {"v_pred": "v-prediction", "edm_vpred.sigma_max": "v-prediction (EDM)", "edm_mean": "EDM prediction (Playground 2.5)"}
OTHER_INPUTS = {9: "inpainting", 8: "image-editing (InstructPix2Pix) or IC-Light", 5: "depth", 7: "upscaling"}


def refuse_other_networks(names: Iterable[str], file: str) -> None:
    names = list(names)
    for part, found in OTHER_NETWORKS.items():
        if any(part in name for name in names):
            raise ConcordError(f"{file} holds {found}, which this loader does not run. {FITS}.")
    raise ConcordError(f"{file} holds no UNet that is known here (found {', '.join(names[:3])}, ...). {FITS}.")


def family_of(shape: Shape, file: str, names: Mapping[str, Tensor] | Iterable[str] = ()) -> str:
    """-> "sd1" or "sdxl"; ConcordError names any other kind. `names` are all of the file's: some kinds differ by a marker only."""
    found = _other(shape, set(names))
    if found:
        raise ConcordError(f"{file} is {found}, which is not supported yet. {FITS}.")
    return "sd1" if shape.context == 768 else "sdxl"


def _other(shape: Shape, names: set[str]) -> str | None:
    for marker, kind in OTHER_SAMPLING.items():
        if marker in names:
            return f"a {kind} model"
    if shape.inputs != 4:
        return f"an {OTHER_INPUTS.get(shape.inputs, 'unknown')} model ({shape.inputs} input channels)"
    if shape.context == 1024:
        return "a Stable Diffusion 2 model (text 1024 wide)"
    if shape.context == 1280:
        return "the SDXL refiner (text 1280 wide)"
    if shape.context == 768 and not shape.linear and not shape.added:
        return None
    if shape.context == 2048 and shape.linear and shape.added == 2816:
        return None if shape.depths == (0, 2, 10) and shape.middle == 10 else f"a distilled SDXL (SSD-1B, Vega, Koala: transformer depths {list(shape.depths)})"
    return f"an unknown model (text {shape.context} wide, {shape.added} added, {'linear' if shape.linear else 'convolution'} projections)"
