"""From what was seen to heat and masks; and both nodes, on the practice model."""
from __future__ import annotations

from functools import cache

import pytest
import torch
from concord.nodes.attention_maps import AttentionMaps
from concord.nodes.show_attention_maps import ShowAttentionMaps
from concord.processors.attention.attention_maps import Maps, asked_words, heat, masks, phrases
from concord.processors.errors import ConcordError
from concord.processors.images.heat import coloured, overlaid
from concord.processors.words import CHUNK, END, read
from torch.nn.functional import interpolate

WORDS = ("cat", "dog", "sky")


@cache
def found() -> Maps:
    g = torch.Generator().manual_seed(0)
    often = {(4, 6): 10.0, (8, 12): 6.0, (2, 3): 2.0}
    return Maps(WORDS, found={grid: (torch.rand(2, 3, *grid, generator=g), often[grid]) for grid in often}, levels={(8, 12): 0, (4, 6): 1, (2, 3): 2})


def at(grid, size=(64, 96)):
    return interpolate(found().found[grid][0], size, mode="bicubic").clamp(min=0)


def test_all_resolutions_count_as_often_as_they_were_read():
    total = (10 * at((4, 6)) + 6 * at((8, 12)) + 2 * at((2, 3))) / 18
    share = heat(found(), WORDS, (64, 96), scale="share of the words")
    assert (share - total / total.sum(1, keepdim=True)).abs().max() < 1e-6
    one = heat(found(), ("sky", "cat"), (64, 96))
    for s in range(2):
        for place, word in enumerate((2, 0)):
            plain = total[s, word]
            assert (one[s, place] - (plain - plain.min()) / (plain.max() - plain.min())).abs().max() < 1e-6
    together = heat(found(), WORDS, (64, 96), scale="all words together")
    assert together.amax((1, 2, 3)).tolist() == [1, 1] and together.amin((1, 2, 3)).tolist() == [0, 0]
    assert (together[0] - (total[0] - total[0].min()) / (total[0].max() - total[0].min())).abs().max() < 1e-6


@pytest.mark.parametrize(("resolution", "grid"), [("coarse", (2, 3)), ("middle", (4, 6)), ("fine", (8, 12))])
def test_one_resolution(resolution, grid):
    share = heat(found(), WORDS, (64, 96), resolution, "share of the words")
    assert (share - at(grid) / at(grid).sum(1, keepdim=True)).abs().max() < 1e-6


def test_masks():
    h = heat(found(), WORDS, (64, 96))
    several, one = masks(h, 0.4), masks(h, 0.4, "strongest word")
    assert torch.equal(several, (h > 0.4).float()) and several.sum(1).max() > 1 and one.sum(1).max() == 1
    assert torch.equal(one.bool(), (h > 0.4) & (h == h.amax(1, keepdim=True)))


def test_a_map_without_heat_stays_finite():
    flat = Maps(("cat",), found={(4, 4): (torch.zeros(1, 1, 4, 4), 3.0)})
    for scale in ("each word", "all words together", "share of the words"):
        assert not heat(flat, ("cat",), (32, 32), scale=scale).any()


def test_colours_rise_in_brightness():
    ramp = coloured(torch.linspace(0, 1, 101)[None])[0]
    light = ramp @ torch.tensor([0.2126, 0.7152, 0.0722])
    assert (light.diff() > 0).all() and ramp.min() >= 0 and ramp.max() <= 1 and light[0] < 0.01 and light[-1] > 0.9


def test_overlays():
    h, image = torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 8, 3)
    assert torch.equal(overlaid(h, image, 0.0), image.expand(2, 3, 8, 8, 3)) and torch.equal(overlaid(h, image, 1.0), coloured(h))


def prompt(text: str, *entries: str):
    """A tokenizer's reading of a text."""
    padding = [(END, "", 1.0)] * (CHUNK - 1 - len(entries))
    return read([(49406, "", 1.0), *((i, entry, 1.0) for i, entry in enumerate(entries)), *padding], text)


def test_which_words_are_asked():
    said = prompt("a red cat, a cat", "a</w>", "red</w>", "cat</w>", ",</w>", "a</w>", "cat</w>")
    assert phrases(" Red  CAT, dog,\ndog ,") == ("red cat", "dog") and phrases(" ,") == ()
    assert asked_words("red cat, A", said) == [("red cat", (2, 3)), ("a", (1, 5))]
    assert asked_words("", said) == [("a", (1, 5)), ("red", (2,)), ("cat", (3, 6))]
    with pytest.raises(ConcordError, match="the text is empty"):
        asked_words("", prompt(""))


def test_what_is_refused():
    latent = {"samples": torch.zeros(2, 4, 8, 12)}
    show = lambda maps, latent, words="", image=None: ShowAttentionMaps.execute(maps, latent, words, "all", "each word", 0.4, "above the threshold", image)
    with pytest.raises(ConcordError, match="no attention maps yet"):
        show(Maps(WORDS), latent)
    with pytest.raises(ConcordError, match="'fox'.*has read: cat, dog, sky"):
        show(found(), latent, "cat, fox")
    with pytest.raises(ConcordError, match="1 pictures of 12 x 8 cells.*drew 2"):
        show(found(), {"samples": latent["samples"][:1]})
    with pytest.raises(ConcordError, match="maps of 6 x 4 and 12 x 8"):
        show(found(), {"samples": torch.zeros(2, 4, 16, 24)})
    with pytest.raises(ConcordError, match="3 pictures for 2 latents"):
        show(found(), latent, image=torch.zeros(3, 64, 96, 3))


def test_both_nodes_on_the_practice_model():
    pytest.importorskip("diffusers", reason="the headless extra is not installed")
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample

    model, clip, vae = host.practice_model()
    text = "a red circle on the left and a blue star on the right"
    told, empty = (host.encode_prompt(clip, words) for words in (text, ""))
    drawn = lambda model: sample(model, 0, 2, 4.0, "euler", "normal", told, empty, {"samples": torch.zeros(2, 4, 8, 12)})
    watched, maps = AttentionMaps.execute(model, clip, text, "red circle, Star", 0.0, 1.0, "4-9").args
    latent = drawn(watched)
    assert torch.equal(latent["samples"], drawn(model)["samples"])
    assert maps.words == ("red circle", "star") and set(maps.found) == {(2, 3), (1, 2)}
    image = vae.decode(latent["samples"])
    shown, masked = ShowAttentionMaps.execute(maps, latent, "", "all", "each word", 0.4, "above the threshold", image, 0.0).args
    assert torch.equal(shown, image.repeat_interleave(2, 0)) and masked.shape == (4, 64, 96) and set(masked.unique().tolist()) == {0.0, 1.0}
    pure = ShowAttentionMaps.execute(maps, latent, "star", "all", "each word", 0.4, "above the threshold").args[0]
    assert pure.shape == (2, 64, 96, 3) and pure.min() >= 0 and pure.max() <= 1
    with pytest.raises(ConcordError, match="'dog' is not among the words.*circle"):
        AttentionMaps.execute(model, clip, text, "dog", 0.0, 1.0)
    with pytest.raises(ConcordError, match="layers 0 to 15"):
        AttentionMaps.execute(model, clip, text, "star", 0.0, 1.0, "12-16")
