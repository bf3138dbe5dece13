"""Models that are given a picture beside their own latent, for inpainting and for editing by instruction: each technique acts on them as on others, and
the picture and its mask reach every row."""
from functools import cache
from itertools import cycle

import comfy.model_detection
import hostkit as kit
import torch
from comfy_extras import nodes_ip2p
from concord.hosts.comfy import host
from concord.processors.attention.prompt_to_prompt import prompt_to_prompt
from concord.processors.conditions.lanes import grouped, roles
from concord.processors.errors import ConcordError
from splits import joint_and_split
from technique_rows import said as read_as
from techniques import QUICK, TECHNIQUES, alone_or_together, assert_differs, assert_same, run

import nodes

SIZES = {False: dict(model_channels=320, context_dim=768, use_linear_in_transformer=False, adm_in_channels=None),
         True: dict(model_channels=320, context_dim=2048, use_linear_in_transformer=True, adm_in_channels=2816, transformer_depth=[0, 0, 2, 2, 10, 10])}
KINDS = {"inpainting": (False, 9), "editing": (False, 8), "SDXL inpainting": (True, 9), "SDXL editing": (True, 8)}
SMALL = ("inpainting", "editing")


@cache
def model(kind: str):
    """A small network of the very class that the host finds in a checkpoint of that kind."""
    sdxl, channels = KINDS[kind]
    found = comfy.model_detection.model_config_from_unet_config({**SIZES[sdxl], "use_temporal_attention": False, "in_channels": channels}, {})
    return kit.unet(sdxl, family=type(found), in_channels=channels)


@cache
def vae():
    return kit.vae()


def told(kind: str, prompts, picture: int = 1, left: float = 0.5):
    """The prompts with a picture, and for inpainting with a mask over the left part of it, through the host's own nodes."""
    pixels = torch.rand(1, 64, 96, 3, generator=torch.Generator().manual_seed(picture))
    if KINDS[kind][1] == 8:
        node = nodes_ip2p.InstructPixToPixConditioning
        made = node.execute(*prompts, pixels, vae()).args if hasattr(node, "execute") else node().encode(*prompts, pixels, vae())
        return made[:2]
    mask = (torch.arange(96) < 96 * left).float().expand(1, 64, 96)
    return nodes.InpaintModelConditioning().encode(*prompts, pixels, vae(), mask, False)[:2]


def start(kind: str, **seen):
    return model(kind), *told(kind, (kit.conditioning(1), kit.conditioning(2)), **seen)


def in_turn(techniques):
    """Each technique with one of the two kinds: what lies beside the latent is nothing to a technique."""
    return zip(cycle(SMALL), techniques, strict=False)


def without(*names: str):
    return [technique for technique in QUICK if technique.name not in names]


def check_the_host_detects_them():
    assert [type(model(kind).model).__name__ for kind in KINDS] == ["BaseModel", "SD15_instructpix2pix", "SDXL", "SDXL_instructpix2pix"]
    assert all(model(kind).model.diffusion_model.in_channels == channels for kind, (_, channels) in KINDS.items())


def check_neutral_is_nothing(thorough=False):
    expected = {kind: run(start(kind)) for kind in SMALL}
    for kind, technique in in_turn(TECHNIQUES if thorough else QUICK[:6]):
        assert torch.equal(run(technique.neutral(start(kind))), expected[kind]), technique.name


def check_every_technique_acts_and_sees_picture_and_mask(thorough=False):
    """One that looks through the network with gradients is among them."""
    costly = [technique for technique in TECHNIQUES if technique.costly]
    for kind, technique in [*in_turn([*alone_or_together(QUICK, thorough), costly[0]]), *in_turn([costly[1], *alone_or_together(QUICK, thorough)])]:
        once = run(technique.typical(start(kind)))
        assert_differs(once, run(start(kind)), f"{technique.name}, {kind}")
        assert_differs(once, run(technique.typical(start(kind, picture=2))), f"{technique.name} with another picture, {kind}")
        if kind == "inpainting":
            assert_differs(once, run(technique.typical(start(kind, left=0.25))), f"{technique.name} with another mask")


def check_sdxl(thorough=False):
    """Without the ControlNet of the tests, which is one for Stable Diffusion 1.x."""
    for kind in ("SDXL inpainting", "SDXL editing"):
        alone, other = run(start(kind)), run(start(kind, picture=2))
        assert_differs(alone, other)
        for technique in alone_or_together(without("ApplyControlNet"), thorough):
            once = run(technique.typical(start(kind)))
            assert_differs(once, alone, f"{technique.name}, {kind}")
            assert_differs(once, run(technique.typical(start(kind, picture=2))), f"{technique.name} with another picture, {kind}")


def check_branches_in_one_call_or_in_several(thorough=False):
    """Windows, which make many calls, are in concat_windows.py."""
    for kind, technique in in_turn(alone_or_together(without("MultiDiffusion"), thorough)):
        assert_same(*joint_and_split(technique.typical(start(kind))))


def check_the_node_before_and_after_ours():
    """Techniques that change the prompts give on what these hold, and leave room for it."""
    for kind in SMALL:
        plain = model(kind), kit.conditioning(1), kit.conditioning(2)
        for technique in TECHNIQUES:
            if technique.typical(plain)[1] is not plain[1]:
                patched, *prompts = technique.typical(plain)
                assert torch.equal(run((patched, *told(kind, prompts))), run(technique.typical(start(kind)))), technique.name


def check_every_picture_of_a_batch_has_its_own():
    """Two pairs of a source and a target with the same words: a target is its source, whose picture it sees, to the last bit."""
    beside = {"concat_latent_image": torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(3)), "concat_mask": torch.ones(1, 64, 96)}
    words = read_as("a red cat on a hill")
    edits = prompt_to_prompt(words, [words], "refine", 2, "default:0-1")
    canvas = grouped({"samples": torch.zeros(2, 4, 8, 12), "batch_index": [0, 0]}, 2)
    for kind in SMALL:
        patched = host.attach(model(kind), *edits, lanes=roles(2, 1))
        samples = run((patched, kit.conditioning(1, **beside), kit.conditioning(2, **beside)), canvas, steps=2)
        assert torch.equal(samples[0], samples[1]) and torch.equal(samples[2], samples[3])
        assert_differs(samples[0], samples[2])


def check_inversion_and_null_text():
    for kind in SMALL:
        setup, picture = start(kind), {"samples": torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(4)) * 0.5}
        invert = lambda setup, picture=picture: host.invert(setup[0], picture, *setup[1:], 2, "normal", eps_at="start")
        bank = invert(setup)
        assert_differs(bank.latents[0], invert(start(kind, picture=2)).latents[0])
        again = run(setup, host.as_latent(setup[0], bank.latents[0]), steps=2, cfg=1.0, disable_noise=True)
        assert_same(again, host.as_latent(setup[0], host.walk_back(setup[0], bank, *setup[1:]))["samples"], 1e-5)
        texts = host.null_text(setup[0], bank, *setup[1:], 3.0, 1)
        other = host.null_text(setup[0], bank, setup[1], start(kind, picture=2)[2], 3.0, 1)
        assert_differs(texts.texts - setup[2][0][0], other.texts - setup[2][0][0])


def check_what_does_not_fit_is_refused():
    """In one line: other inputs, and a mask that an inversion would not hear of."""
    masked = {"samples": torch.zeros(1, 4, 8, 12), "noise_mask": torch.ones(1, 64, 96)}
    invert = lambda: host.invert(model("inpainting"), masked, kit.conditioning(1), kit.conditioning(2), 2, "normal")
    for act, said in ((lambda: host.attach(kit.unet(in_channels=5)), "5 input channels"), (lambda: host.attach(kit.unet(in_channels=8)), "8 input channels"),
                      (invert, "InpaintModelConditioning")):
        try:
            act()
        except ConcordError as error:
            assert said in str(error) and "\n" not in str(error) and len(str(error)) < 400
        else:
            raise AssertionError(f"{said}: was accepted")
    assert len(host.invert(model("inpainting"), masked, *start("inpainting")[1:], 2, "normal").latents) == 3
