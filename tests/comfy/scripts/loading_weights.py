"""LoRA, ControlNet and CLIP vision files through the real host, on small random models."""
import comfy.model_management
import comfy.sd
import comfy.utils
import hostkit as kit


def lora(path: str, model_strength: float, clip_strength: float) -> dict:
    """-> the weights of a UNet and a text tower, before and after."""
    model, clip = kit.unet(), kit.clip()
    network, tower = model.model.diffusion_model, clip.cond_stage_model.clip_l.transformer
    copy = lambda: {"unet": {k: v.clone() for k, v in network.state_dict().items()}, "text": {k: v.clone() for k, v in tower.state_dict().items()}}
    before = copy()
    changed_model, changed_clip = comfy.sd.load_lora_for_models(model, clip, comfy.utils.load_torch_file(path), model_strength, clip_strength)
    comfy.model_management.load_models_gpu([changed_model, changed_clip.patcher], force_patch_weights=True)
    return {"before": before, "after": copy()}


def control_net(x, hint, timestep, context) -> dict:
    network = kit.control_net().control_model
    out = network(x=x, hint=hint, timesteps=timestep, context=context)
    return {"weights": network.state_dict(), "outputs": [*out["output"], *out["middle"]]}


def vision(images: list) -> dict:
    """-> the tower's weights, and [last, penultimate, embedding] for each image, with and without crop."""
    tower = kit.clip_vision()
    outputs = [tower.encode_image(image, crop=crop) for image in images for crop in (True, False)]
    names = ("last_hidden_state", "penultimate_hidden_states", "image_embeds")
    return {"weights": tower.model.state_dict(), "outputs": [[output[name] for name in names] for output in outputs]}
