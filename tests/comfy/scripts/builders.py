"""The test bed itself: every builder of hostkit makes a model that runs on this host."""
import hostkit as kit
import torch


def check_sd1_numbering():
    """SD 1.x: 16 transformer blocks at input 1 2 4 5 7 8, middle 0, output 3..11; repeatable to the bit."""
    model = kit.unet()
    seen = set()

    def note(q, context, value, options):
        seen.add(options["block"])
        return q, context, value

    model.set_model_attn2_patch(note)
    latent = torch.zeros(1, 4, 8, 8)
    first = kit.sample(model, kit.conditioning(1), kit.conditioning(2), latent)
    assert torch.equal(first, kit.sample(model, kit.conditioning(1), kit.conditioning(2), latent)) and first.isfinite().all() and first.std() > 0
    assert seen == {("input", n) for n in (1, 2, 4, 5, 7, 8)} | {("middle", 0)} | {("output", n) for n in range(3, 12)}, sorted(seen)


def check_sdxl():
    model = kit.unet(sdxl=True)
    seen = kit.sample(model, kit.conditioning(1), kit.conditioning(2), torch.zeros(1, 4, 8, 12))
    assert seen.shape == (1, 4, 8, 12) and seen.isfinite().all()


def check_text_and_picture():
    import nodes
    clip, vae = kit.clip(), kit.vae()
    words = nodes.CLIPTextEncode().encode(clip, "a red cat")[0]
    other = nodes.CLIPTextEncode().encode(clip, "a blue cat")[0]
    assert words[0][0].shape == (1, 77, 64) and not torch.equal(words[0][0], other[0][0])
    picture = nodes.VAEDecode().decode(vae, {"samples": torch.randn(1, 4, 8, 6, generator=torch.Generator().manual_seed(0))})[0]
    assert picture.shape == (1, 64, 48, 3) and picture.std() > 0
    assert nodes.VAEEncode().encode(vae, picture)[0]["samples"].shape == (1, 4, 8, 6)


def check_control_net():
    import nodes
    model, net = kit.unet(), kit.control_net()
    hint = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    positive, negative = nodes.ControlNetApplyAdvanced().apply_controlnet(kit.conditioning(1), kit.conditioning(2), net, hint, 0.5, 0.0, 1.0)
    plain = kit.sample(model, kit.conditioning(1), kit.conditioning(2), torch.zeros(1, 4, 8, 8))
    steered = kit.sample(model, positive, negative, torch.zeros(1, 4, 8, 8))
    assert steered.isfinite().all() and not torch.allclose(plain, steered)


def check_clip_vision():
    encoded = kit.clip_vision().encode_image(torch.rand(1, 64, 64, 3))
    assert encoded["image_embeds"].shape == (1, 64) and encoded["penultimate_hidden_states"].shape == (1, 257, 64)


def unet_output(weights: dict, config: dict, sdxl: bool, latent, timestep: int, context, y=None) -> torch.Tensor:
    """The network alone, on weights in diffusers' names."""
    network = kit.unet(sdxl=sdxl, weights=weights, **config).model.diffusion_model
    return network(latent, torch.full((latent.shape[0],), timestep), context=context, y=y)


def control_output(weights: dict, config: dict, latent, hint, timestep: int, context) -> list:
    """A ControlNet's residuals alone, first block first."""
    network = kit.control_net(weights=weights, **config).control_model
    residuals = network(x=latent, hint=hint, timesteps=torch.full((latent.shape[0],), timestep), context=context)
    return residuals["output"] + residuals["middle"]
