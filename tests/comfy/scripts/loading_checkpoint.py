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
