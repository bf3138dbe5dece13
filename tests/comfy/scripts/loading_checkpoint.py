"""A checkpoint file through the real host: load, encode, sample, decode."""
import gc

import comfy.model_management
import comfy.sd
import hostkit as kit
import torch

import nodes


def run(path: str, prompt: str, side: int, steps: int) -> dict:
    model, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(path, output_vae=True, output_clip=True)
    positive, negative = (nodes.CLIPTextEncode().encode(clip, text)[0] for text in (prompt, ""))
    latent = kit.sample(model, positive, negative, torch.zeros(1, 4, side // 8, side // 8), steps=steps)
    image = vae.decode(latent)
    del model, clip, vae
    comfy.model_management.unload_all_models()
    gc.collect()                                                  # the other host loads the same file next
    return {"cond": positive[0][0], "pooled": positive[0][1]["pooled_output"], "latent": latent, "image": image}


def reading(shapes: dict) -> dict:
    """What the host takes a checkpoint of these tensors for: the family's class, and the names and shapes that its UNet and text towers want."""
    import comfy.model_detection
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    tensors = {name: torch.empty(shape, device="meta", dtype=torch.float16) for name, shape in shapes.items()}
    family = comfy.model_detection.model_config_from_unet(tensors, "model.diffusion_model.")
    settings = {name: value for name, value in family.unet_config.items() if name not in ("dtype", "device", "operations")}
    network = UNetModel(**settings, dtype=torch.float16, device="meta", operations=comfy.ops.disable_weight_init)
    towers = family.clip_target(state_dict=tensors).clip(dtype=torch.float16, device="meta")
    text = {name: tensor for name, tensor in family.process_clip_state_dict(dict(tensors)).items() if not name.endswith("logit_scale")}
    missing, unexpected = towers.load_state_dict(text, strict=False)
    return {"family": type(family).__name__, "unet": {name: list(tensor.shape) for name, tensor in network.state_dict().items()},
            "text_missing": list(missing), "text_unexpected": list(unexpected)}
