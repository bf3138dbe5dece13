"""Image adapters inside the host: its vision towers and folders, sockets of other packs, and what is refused."""
import copy
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import comfy.clip_vision
import folder_paths
import hostkit as kit
import torch
from agreement import pictures
from concord.hosts.comfy import folders, host
from concord.hosts.comfy.image_adapter import HostVision
from concord.model_loaders.image_adapter import read_image_adapter
from concord.processors.errors import ConcordError
from techniques import assert_differs, assert_same

WIDTHS = [32] * 2 + [64] * 2 + [128] * 2 + [128] * 3 + [64] * 3 + [32] * 3 + [128]  # of kit.unet()'s cross-attentions, in published order


def adapter_tensors(context: int = 768, vision: int = 1024) -> dict:
    """A base adapter as files hold it, random, for Stable Diffusion 1.x at the widths of `kit.unet()`."""
    random = lambda *shape: torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) / shape[-1] ** 0.5
    proj = {"proj.weight": random(4 * context, vision), "proj.bias": torch.zeros(4 * context),
            "norm.weight": torch.ones(context), "norm.bias": torch.zeros(context)}
    layers = {f"{2 * n + 1}.to_{letter}_ip.weight": random(width, context) for n, width in enumerate(WIDTHS) for letter in "kv"}
    return {"image_proj": proj, "ip_adapter": layers}


def tower(projection: int = 1024, weights=None):
    """A small CLIP vision model of the host, whose embeddings are as wide as those of a large one."""
    config = dict(hidden_act="gelu", hidden_size=64, image_size=56, intermediate_size=128, layer_norm_eps=1e-5, model_type="clip_vision_model",
                  num_attention_heads=4, num_channels=3, num_hidden_layers=3, patch_size=14, projection_dim=projection)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vision.json"
        path.write_text(json.dumps(config))
        vision = comfy.clip_vision.ClipVisionModel(str(path))
    kit.fill_or_load(vision.model, weights, 3)
    return vision


def apply(model, adapter, clip_vision=None, **settings):
    inputs = dict(image=pictures(1), weight=1.0, weight_type="linear", combine="concat", embeds_scaling="V only", start_percent=0.0, end_percent=1.0) | settings
    return kit.run_node("Concord_DecoupledCrossAttn", model=model, adapter=adapter, clip_vision=clip_vision, **inputs)[0]


def draw(model, latent=None, **settings):
    latent = torch.zeros(1, 4, 8, 8) if latent is None else latent
    return kit.sample(model, kit.conditioning(1, width=768), kit.conditioning(2, width=768), latent, **{"steps": 2, **settings})


def message(act) -> str:
    try:
        act()
    except ConcordError as error:
        assert "\n" not in str(error)
        return str(error)
    raise AssertionError("was accepted")


def vision(images: list) -> dict:
    """What the host's tower says of pictures and of the mean colour; and its weights."""
    model = tower()
    weights = {name: weight.clone() for name, weight in model.model.state_dict().items()}
    outputs = [HostVision(model).encode_image(image, crop) for image in images for crop in (True, False)] + [HostVision(model).encode_mean_colour()]
    assert all(torch.equal(weight, weights[name]) for name, weight in model.model.state_dict().items())
    return {"weights": weights, "outputs": [vars(output) for output in outputs]}


def check_sockets_of_other_packs():
    """The file's two dictionaries, and a bundle with the tower, do what our own socket does."""
    model, clip_vision, raw = kit.unet(context_dim=768), tower(), adapter_tensors()
    ours = draw(apply(model, read_image_adapter(raw, "own"), clip_vision))
    assert_differs(ours, draw(model))
    assert torch.equal(draw(apply(model, raw, clip_vision)), ours)
    bundle = {"clipvision": {"file": "x", "model": clip_vision}, "ipadapter": {"file": "y", "model": raw}, "insightface": {"model": None}}
    assert torch.equal(draw(apply(model, bundle)), ours)
    parameters = {part: {name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()} for part, tensors in raw.items()}
    assert torch.equal(draw(apply(model, parameters, clip_vision)), ours)
    face = {"image_proj": {"proj.0.weight": torch.zeros(1024, 512)}, "ip_adapter": raw["ip_adapter"]}
    bundle["ipadapter"] = {"file": "faceid.bin", "model": face}
    assert "faceid.bin is a FaceID adapter" in message(lambda: apply(model, bundle))
    assert "got a NoneType" in message(lambda: apply(model, {**bundle, "ipadapter": {"file": None, "model": None}}))
    assert "got a SimpleNamespace" in message(lambda: apply(model, SimpleNamespace(model=raw), clip_vision))
    assert "IPADAPTER" in message(lambda: apply(model, "a name", clip_vision))
    assert "has no image_proj" in message(lambda: apply(model, {"ip_adapter": raw["ip_adapter"]}, clip_vision))


def check_wrong_pairs_are_refused():
    model, adapter = kit.unet(context_dim=768), read_image_adapter(adapter_tensors(), "ip-adapter_sd15")
    said = message(lambda: apply(kit.unet(sdxl=True, context_dim=2048), adapter, tower()))
    assert "ip-adapter_sd15" in said and "Stable Diffusion XL" in said and "1.x" in said
    said = message(lambda: apply(model, adapter, tower(1280)))
    assert "ViT-H" in said and "ViT-bigG" in said
    assert "is another tower (96 wide); load ViT-H" in message(lambda: apply(model, adapter, tower(96)))
    assert "connect Load CLIP Vision" in message(lambda: apply(model, adapter))
    assert "CLIP_VISION was expected" in message(lambda: apply(model, adapter, object()))
    practice = host.practice_adapter()
    assert "practice" in message(lambda: apply(model, practice)) and apply(host.practice_model()[0], practice)


def check_text_is_taken_off():
    """Only of the size of the picture's embedding, and of a base adapter."""
    model, adapter, clip_vision = kit.unet(context_dim=768), read_image_adapter(adapter_tensors(vision=1280), "vit-G"), tower(1280)
    words = kit.conditioning(5)
    assert torch.equal(draw(apply(model, adapter, clip_vision, subtract_text=words, subtract_amount=0.0)), draw(apply(model, adapter, clip_vision)))
    assert_differs(draw(apply(model, adapter, clip_vision, subtract_text=words)), draw(apply(model, adapter, clip_vision)))
    other = read_image_adapter(adapter_tensors(), "ip-adapter_sd15")
    assert "1024" in message(lambda: apply(model, other, tower(), subtract_text=words))


def check_masks_and_pictures_that_are_odd():
    """A mask without a batch, as some nodes give; what is not finite; fewer and more pictures than the batch has."""
    model, adapter, clip_vision = kit.unet(context_dim=768), read_image_adapter(adapter_tensors(), "own"), tower()
    mask = torch.rand(30, 50)
    assert torch.equal(draw(apply(model, adapter, clip_vision, mask=mask)), draw(apply(model, adapter, clip_vision, mask=mask[None])))
    assert "not finite" in message(lambda: apply(model, adapter, clip_vision, image=pictures(1) * float("nan")))
    assert "mask holds numbers that are not finite" in message(lambda: apply(model, adapter, clip_vision, mask=mask / 0))
    one, two = (draw(apply(model, adapter, clip_vision, image=pictures(3)[:n], combine="one per picture"), latent=torch.zeros(3, 4, 8, 8)) for n in (1, 2))
    assert_same(two[::2], one[::2])
    assert_differs(two[1], one[1])
    assert draw(apply(model, adapter, clip_vision, image=pictures(5), combine="one per picture")).isfinite().all()


def check_a_second_prompt():
    """Concord_DecoupledPrompt: the model's own keys and values; what would be left out silently is refused."""
    model, words = kit.unet(context_dim=768), lambda seed=5, **keys: kit.conditioning(seed, width=768, **keys)
    apply = lambda tokens, model=model, **more: kit.run_node("Concord_DecoupledPrompt", model=model, tokens=tokens, start_percent=0.0, end_percent=1.0,
                                                             **{"weight": 0.5} | more)[0]
    first = draw(apply(words()))
    assert_differs(first, draw(model))
    assert_differs(first, draw(apply(words(), tokens_negative=words(6))))
    assert_differs(first, draw(apply(words() + words(6, tokens=154))))
    assert torch.equal(draw(apply(words(), weight=0.0)), draw(model)) and torch.equal(draw(apply(words(), layer_weights="0:0")), draw(model))
    assert_same(draw(apply(words(), mask=torch.ones(9, 9))), first)
    assert "tokens 64 wide, a Stable Diffusion 1.x model reads 768" in message(lambda: apply(kit.conditioning(5)))
    assert "no entry at all" in message(lambda: apply([])) and "no entry at all" in message(lambda: apply(words(), tokens_negative=[]))
    assert "its own area" in message(lambda: apply(words(area=(4, 4, 0, 0)))) and "its own start_percent" in message(lambda: apply(words(start_percent=0.2)))
    assert "3, 2 images" in message(lambda: apply([[words()[0][0].expand(n, -1, -1), {}] for n in (3, 2)]))
    assert "'30:1' in the layer weights" in message(lambda: apply(words(), layer_weights="30:1"))


def check_strength_zero_and_clones():
    model, adapter, clip_vision = kit.unet(context_dim=768), read_image_adapter(adapter_tensors(), "own"), tower()
    assert torch.equal(draw(apply(model, adapter, clip_vision, weight=0.0)), draw(model))
    pictured = apply(model, adapter, clip_vision)
    expected = draw(pictured)
    copied = pictured.clone().clone()
    copied.model_options = copy.deepcopy(copied.model_options)
    assert torch.equal(draw(copied), expected) and torch.equal(draw(pictured), expected)
    kept = pictured.model_options["transformer_options"]["concord"].edits[0].projections
    assert kept is adapter and copied.model_options["transformer_options"]["concord"].edits[0].projections is adapter


def check_folder():
    """models/ipadapter beside what others registered; names in sub-folders; a missing file is named with what is there."""
    place, other = Path(folder_paths.models_dir) / "ipadapter", tempfile.mkdtemp()
    folder_paths.folder_names_and_paths.pop("ipadapter", None)
    folder_paths.add_model_folder_path("ipadapter", other)  # as extra_model_paths.yaml does, without extensions
    (place / "faces").mkdir(parents=True, exist_ok=True)
    for file in (place / "faces/a.safetensors", place / "notes.txt", Path(other) / "b.bin"):
        file.write_bytes(b"")
    assert sorted(folders.names("ipadapter")) == ["b.bin", str(Path("faces/a.safetensors"))]
    assert folder_paths.get_folder_paths("ipadapter") == [other, str(place)]
    own = ([other], {".bin"})
    folder_paths.folder_names_and_paths["ipadapter"] = own  # as another pack does
    folders.register("ipadapter")
    folders.register("ipadapter")
    assert folder_paths.folder_names_and_paths["ipadapter"] is own and own == ([other, str(place)], {".bin"})
    said = message(lambda: host.read_adapter("c.bin"))
    assert "c.bin" in said and str(place) in said and "b.bin" in said
    assert "cannot be read" in message(lambda: host.read_adapter("b.bin"))
