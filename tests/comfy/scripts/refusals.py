"""Models that the edits do not know yet are refused in one line when a node runs, and never half patched; files and practice models load."""
import comfy.latent_formats
import comfy.model_base
import comfy.model_patcher
import comfy.supported_models
import hostkit as kit
import torch
from concord.hosts.comfy import host
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.errors import ConcordError
from techniques import STYLE, plain, run


def patcher_of(family, config: dict):
    family = family({**kit.COMMON, **kit.SD1, "dtype": torch.float32, **config})
    family.unet_config.update(num_heads=4, num_head_channels=-1)
    family.set_inference_dtype(torch.float32, None)
    return comfy.model_patcher.ModelPatcher(family.get_model({}, "", device="cpu"), load_device=torch.device("cpu"), offload_device=torch.device("cpu"))


def refusal(patcher) -> str:
    before = dict(patcher.model_options["transformer_options"]), dict(patcher.wrappers)
    try:
        host.attach(patcher, *style_aligned(), lanes=reference_lane())
    except ConcordError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        assert (patcher.model_options["transformer_options"], patcher.wrappers) == before
        return str(error)
    raise AssertionError("was accepted")


def check_other_families():
    assert "7 input channels" in refusal(patcher_of(comfy.supported_models.SD15, {"in_channels": 7}))
    assert "Stable Diffusion 2" in refusal(patcher_of(comfy.supported_models.SD20, {"context_dim": 1024}))
    v_prediction = patcher_of(comfy.supported_models.SD15, {})
    v_prediction.model.model_type = comfy.model_base.ModelType.V_PREDICTION
    assert "v-prediction" in refusal(v_prediction)


def flux():
    config = dict(image_model="flux", in_channels=16, out_channels=16, vec_in_dim=32, context_in_dim=64, hidden_size=64, mlp_ratio=2.0, num_heads=2, depth=1,
                  depth_single_blocks=1, axes_dim=[8, 12, 12], theta=10000, qkv_bias=True, guidance_embed=False, patch_size=2, dtype=torch.float32)
    from comfy.ldm.flux.model import FluxParams
    if "txt_ids_dims" in FluxParams.__dataclass_fields__:
        config["txt_ids_dims"] = []
    family = comfy.supported_models.Flux(config)
    family.set_inference_dtype(torch.float32, None)
    model = family.get_model({}, "", device="cpu")
    return comfy.model_patcher.ModelPatcher(model, load_device=torch.device("cpu"), offload_device=torch.device("cpu"))


def check_flux():
    assert "Flux" in refusal(flux())


def check_reference_outside_the_batch():
    """What only a run can know is refused before its first step, and names the way out."""
    setup = (host.attach(plain()[0], *style_aligned(), lanes=reference_lane(5)), *plain()[1:])
    try:
        run(setup)
    except ConcordError as error:
        assert "batch" in str(error) and "5" in str(error)
    else:
        raise AssertionError("was accepted")
    run(STYLE.typical(plain()))


def check_contradicting_settings():
    twice = (host.attach(STYLE.typical(plain())[0], *style_aligned(adain="qkv")), *plain()[1:])
    try:
        run(twice)
    except ConcordError as error:
        assert "StyleAligned" in str(error) and "\n" not in str(error)
    else:
        raise AssertionError("was accepted")


def check_practice_models_load_twice():
    """Each load is a model of its own, with the same weights."""
    (one, *_), (two, *_) = host.practice_model(), host.practice_model()
    first, second = one.model.diffusion_model.state_dict(), two.model.diffusion_model.state_dict()
    assert one.model is not two.model and all(torch.equal(first[key], second[key]) for key in first)
    assert isinstance(one.model.latent_format, comfy.latent_formats.LatentFormat) and one.model.latent_format.scale_factor == 1.0
    assert host.practice_control_net().control_model is not host.practice_control_net().control_model
