"""The nodes of StyleAligned, MasaCtrl and AdaIN in the headless host: what they build, what they refuse, and what holds for any batch."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from dataclasses import replace  # noqa: E402

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.nodes.latent_adain import LatentAdaIN  # noqa: E402
from concord.nodes.masactrl import MasaCtrl  # noqa: E402
from concord.nodes.prompt_per_picture import PromptPerPicture  # noqa: E402
from concord.processors.attention.layer_ranges import parse_ranges  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402

from .contract.techniques import model  # noqa: E402
from .sampling_models import text  # noqa: E402

MASKS = dict(variant="masks", source_mask=torch.ones(1, 8, 8).tril(), target_mask=torch.ones(1, 8, 8).triu())


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def mutual(groups: int = 1, canvas=(8, 12), prompts=(1, 3), on=None, **how):
    """-> model, positive, latent of the node, on a small random network."""
    settings = dict(variant="plain", start_percent=0.0, end_percent=1.0, branches="both", layers="0-3")
    latent = {"samples": torch.zeros(groups, 4, *canvas)}
    return MasaCtrl.execute(model=on or model(), source=text(prompts[0]), target=text(prompts[1]), latent=latent, **{**settings, **how}).args


def run(made, steps: int = 2, cfg: float = 3.0, rows: int | None = None) -> torch.Tensor:
    network, positive, latent = made
    return sample(replace(network, rows_per_call=rows), 1, steps, cfg, "euler", "normal", positive, text(2), latent)["samples"]


def test_the_batch_of_masactrl():
    _, positive, latent = mutual(3)
    assert latent["samples"].shape == (6, 4, 8, 12) and latent["batch_index"] == [0, 0, 1, 1, 2, 2]
    assert positive[0][0].shape == (6, 77, 64) and torch.equal(positive[0][0][4:], torch.cat([text(1)[0][0], text(3)[0][0]]))
    _, positive, latent = mutual(2, beside=text(4))
    assert latent["batch_index"] == [0, 0, 0, 1, 1, 1] and torch.equal(positive[0][0][5:], text(4)[0][0])


@pytest.mark.parametrize("how", ({}, {"variant": "union"}, MASKS), ids=("plain", "union", "masks"))
@pytest.mark.parametrize("canvas,cfg", (((8, 12), 3.0), ((9, 13), 3.0), ((8, 12), 1.0)))
def test_two_groups_split_branches_odd_sizes_and_cfg_1(how, canvas, cfg):
    together = run(mutual(2, canvas, **how), cfg=cfg)
    assert far(run(mutual(2, canvas, **how), cfg=cfg, rows=1), together) < 1e-4
    assert far(run(mutual(1, canvas, **how), cfg=cfg), together[:2]) < 1e-4
    plain = run(mutual(2, canvas, **{**how, "start_percent": 1.0}), cfg=cfg)
    assert far(together[::2], plain[::2]) < 1e-5 and far(together[1::2], plain[1::2]) > 1e-3


def test_windows_look_at_the_same_windows():
    out = run(mutual(canvas=(8, 20), on=host.attach(model(), *multidiffusion((8, 8), (4, 4)))), 1)
    assert torch.isfinite(out).all() and far(out[1:], run(mutual(canvas=(8, 20)), 1)[1:]) > 1e-3


def test_the_same_prompt_gives_the_same_picture_to_the_bit():
    out = run(mutual(2, prompts=(1, 1)))
    assert torch.equal(out[0], out[1]) and torch.equal(out[2], out[3])


def test_an_empty_window_is_nothing_to_the_bit():
    network, positive, latent = mutual(start_percent=0.6, end_percent=0.6)
    assert network is model() and torch.equal(run((network, positive, latent)), run((model(), positive, latent)))


@pytest.mark.parametrize("how,said", [({"variant": "masks"}, "needs masks of source and target"), ({"variant": "words"}, "connect clip"),
                                      ({"layers": "2-9"}, "this model has the layers 0 to"), ({"layers": ""}, "write them into layers"),
                                      ({"bank": 1}, "a bank of an inversion was expected")])
def test_what_is_missing_is_said(how, said):
    with pytest.raises(ConcordError, match=said):
        mutual(**how)


@pytest.mark.parametrize("words,said", [("horse", "'horse' is not among the words of the prompt; it has: a, red, circle"), ("", "there are no words to find")])
def test_words_that_are_not_there_are_listed(words, said):
    practice, clip, _ = host.practice_model()
    encode = lambda text: host.encode_prompt(clip, text)
    with pytest.raises(ConcordError, match=said):
        MasaCtrl.execute(practice, encode("a red circle"), encode("a red circle"), {"samples": torch.zeros(1, 4, 16, 16)}, "words", 0.0, 1.0, "both", clip=clip,
                         source_text="a red circle", target_text="a red circle", source_words=words)


def test_ranges_of_layers():
    assert parse_ranges("10-15", 16) == frozenset(range(10, 16)) and parse_ranges(" 4, 7 - 9;0\n", 16) == frozenset({0, 4, 7, 8, 9})
    for wrong in ("16", "9-7", "a", "3:1", "-2"):
        with pytest.raises(ConcordError, match="is not understood; this model has the layers 0 to 15: write numbers and ranges"):
            parse_ranges(wrong, 16)


def test_a_prompt_for_each_picture():
    clip = host.practice_model()[1]
    told = lambda prompts, pictures, style="": PromptPerPicture.execute(clip, {"samples": torch.zeros(pictures, 4, 8, 8)}, prompts, style).args[0][0][0]
    one = lambda text: host.encode_prompt(clip, text)[0][0]
    assert torch.equal(told("a star\n\na red circle", 3, "soft"), torch.cat([one("a star, soft"), one("a red circle, soft"), one("a red circle, soft")]))
    for prompts in ("", "a\nb\nc"):
        with pytest.raises(ConcordError, match="prompts for 2 pictures"):
            told(prompts, 2)


def test_latent_adain_keeps_what_else_a_latent_holds():
    latent, like = {"samples": torch.randn(2, 4, 8, 8), "batch_index": [3, 3], "noise_mask": torch.ones(1, 1, 8, 8)}, {"samples": torch.randn(1, 4, 6, 6)}
    out = LatentAdaIN.execute(latent, like, "mean", 1.0).args[0]
    assert out["batch_index"] == [3, 3] and out["noise_mask"] is latent["noise_mask"] and not torch.equal(out["samples"], latent["samples"])
    assert LatentAdaIN.execute(latent, like, "mean", 0.0).args[0]["samples"] is latent["samples"]
