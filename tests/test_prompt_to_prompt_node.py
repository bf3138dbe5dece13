"""The node of Prompt-to-Prompt: what it builds, what it tells, what it refuses."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.loading.clip import Clip, Tower  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.model_loaders.clip_tower import TextTower, TowerConfig  # noqa: E402
from concord.nodes.prompt_to_prompt import PromptToPrompt  # noqa: E402
from concord.processors.attention.prompt_to_prompt import CopyLayout, CopyWords, WeighWords  # noqa: E402
from concord.processors.attention.word_windows import weights_of, windows_of  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.latents.bank import Bank  # noqa: E402

from . import sampling_models as networks  # noqa: E402
from .prompts import prompt  # noqa: E402

DEFAULTS = {taken.id: taken.default for taken in PromptToPrompt.define_schema().inputs if getattr(taken, "default", None) is not None}


@pytest.fixture(scope="module")
def parts():
    return host.practice_model()


def run(parts, pictures: int = 1, **inputs) -> tuple:
    latent = {"samples": torch.zeros(pictures, 4, 8, 8)}
    return PromptToPrompt.execute(**{"model": parts[0], "clip": parts[1], "latent": latent, **DEFAULTS, **inputs}).args


def test_what_it_builds(parts):
    model, positive, latent, table = run(parts, 2, targets="a green circle on a blue background\n\n  a red star on a blue background\n")
    assert [lane for _, lane, _ in model.program.lanes.roles] == ["source", "target", "target"] * 2
    assert len(latent["samples"]) == 6 and latent["batch_index"] == [0, 0, 0, 1, 1, 1] and positive[0][0].shape == (6, 77, 64)
    alone = host.encode_prompt(parts[1], "a green circle on a blue background")[0][0]
    assert torch.equal(positive[0][0][1:2], alone) and torch.equal(positive[0][0][4:5], alone) and not torch.equal(positive[0][0][2:3], alone)
    kinds = [edit for edit in model.program.edits if isinstance(edit, CopyWords)]
    assert sorted(sorted(edit.samples) for edit in kinds) == [[1, 4], [2, 5]] and sum(isinstance(edit, CopyLayout) for edit in model.program.edits) == 1
    assert "green" in table and "target 2: a red star on a blue background" in table
    assert [line.split() for line in table.splitlines() if line.startswith("  green")] == [["green", "red", "0-0.8", "1"]]


def test_the_words_output_says_what_was_understood(parts):
    table = run(parts, mode="refine", targets="a striped circle on a blue background", cross_replace="circle:0.1-0.3", word_weights="striped:2")[3]
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines()[3:]}
    assert rows["striped"] == ["(new)", "2"] and rows["circle"] == ["circle", "0.1-0.3", "1"] and rows["blue"] == ["blue", "0-1", "1"]


def test_neutral_settings_leave_the_model_as_it_is(parts):
    model, positive, latent, _ = run(parts, cross_replace="default:0-0", layout_end=0.0)
    assert not model.program.edits and len(latent["samples"]) == 2


def test_weights_act_in_the_window_of_their_words(parts):
    edits = [edit for edit in run(parts, word_weights="green:2, blue background:0.5")[0].program.edits if isinstance(edit, WeighWords)]
    assert len(edits) == 1 and [edits[0].weights[i] for i in (1, 2, 3, 6, 7, 8)] == [1, 2, 1, 0.5, 0.5, 1]


@pytest.mark.parametrize("inputs,message", [
    (dict(targets=" \n"), "there is no target"),
    (dict(targets="a green circle"), "replace swaps words one for one, but the source has 7 words"),
    (dict(cross_replace="default:0-0.8, cat:0-0.2"), "'cat' is not among the words of the targets; they have: a, green, circle"),
    (dict(cross_replace="green"), "'green' cannot be read; write a word, a colon and the part of the run"),
    (dict(cross_replace="green:0-1.5"), "'green:0-1.5' cannot be read"),
    (dict(cross_replace="green:a-b"), "'green:a-b' cannot be read"),
    (dict(word_weights="green:11"), "'green:11' cannot be read; write a word, a colon and a number from -5 to 10"),
    (dict(word_weights="green:nan"), "'green:nan' cannot be read"),
    (dict(word_weights=":2"), "':2' cannot be read"),
    (dict(blend_words="cat"), "'cat' is in none of the prompts"),
    (dict(bank="bank"), "a bank of an inversion was expected, got a str"),
])
def test_what_it_refuses(parts, inputs, message):
    with pytest.raises(ConcordError, match=message):
        run(parts, **inputs)


def test_windows_and_weights_of_words():
    one, other = prompt("a cat on a hill"), prompt("a dog")
    windows = windows_of("default:0.1-0.8, cat:0-0.4\nCat:0.5, DOG:0.2-0.3", (one, other))
    assert windows[0][2] == (0.0, 0.5) and windows[0][1] == windows[0][50] == (0.1, 0.8) and windows[1][2] == (0.2, 0.3)
    assert windows_of("", (one,))[0][3] == (0.0, 1.0)
    assert [weights[1:4] for weights in weights_of("a:3, dog:-1", (one, other))] == [(3.0, 1.0, 1.0), (3.0, -1.0, 1.0)]


def test_a_bank_is_the_source_and_where_the_targets_begin(parts):
    sigmas = (14.614642, 3.0, 0.0)
    bank = Bank(torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(1)), sigmas)
    follows = [edit for edit in run(parts, bank=bank)[0].program.edits if getattr(edit, "bank", None) is bank]
    assert sorted((sorted(edit.lanes), edit.stage.name, edit.window[1] < 0.01) for edit in follows) == [
        (["source"], "LATENTS_AFTER", False), (["source"], "LATENTS_BEFORE", False), (["target"], "LATENTS_BEFORE", True)]


def test_pictures_beside_take_no_part(parts):
    model, positive, latent, _ = run(parts, 2, beside="a yellow square\na heart", blend_words="red, green")
    assert len(latent["samples"]) == 8 and len(positive[0][0]) == 8
    assert [model.program.lanes.row(i)[0] for i in range(4)] == ["source", "target", "plain", "plain"]
    copies = [edit for edit in model.program.edits if isinstance(edit, CopyWords)]
    assert [sorted(edit.samples) for edit in copies] == [[1, 5]]
    probe = next(edit for edit in model.program.edits if hasattr(edit, "tokens"))
    assert probe.tokens == ((2,), (2,), (), ())


def test_sdxl_with_two_encoders():
    """Tokens of both towers side by side, pooled text for each lane; 77 and 154 tokens."""
    clip = Clip((Tower("l", tower(), layer=-2, norm=False), Tower("g", tower(1280), pad=0, layer=-2, norm=False, projected=True)))
    model = Model(networks.unet(sdxl=True), "sdxl", latent=LatentFormat(scale=0.13025))
    attached, positive, latent, _ = run((model, clip), targets="a green circle on a blue background " + "and a red circle " * 20, mode="refine")
    (tokens, keys), = positive
    assert tokens.shape == (2, 154, 64) and keys["pooled_output"].shape == (2, 1280) and not torch.equal(*keys["pooled_output"])
    assert torch.equal(tokens[0, 77:], host.encode_prompt(clip, "")[0][0][0])
    out = sample(attached, 1, 2, 4.0, "euler", "normal", positive, host.encode_prompt(clip, ""), latent)["samples"]
    plain = sample(model, 1, 2, 4.0, "euler", "normal", positive, host.encode_prompt(clip, ""), latent)["samples"]
    assert (out[0] - plain[0]).abs().max() < 1e-5 * plain.abs().max() and (out[1] - plain[1]).abs().max() > 1e-2 * plain.abs().max()


def tower(projection: int = 0) -> TextTower:
    return networks.fill(TextTower(TowerConfig(width=32, heads=2, layers=3, inner=64, activation="gelu", projection=projection, tokens=49408)), 5)
