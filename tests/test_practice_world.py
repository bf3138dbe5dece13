"""The practice world is exact: captions, masks, outlines and boxes; its words are CLIP's; its weights load strictly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from concord.practice import drawing, judge, model, sampling, words, world
from concord.practice.drawing import PALETTE, render
from concord.practice.world import Scene, Thing, caption, place_thing, random_scene
from concord.processors.errors import ConcordError

TWO = Scene("blue", (place_thing("circle", "red", "striped", "left"), place_thing("star", "green", "solid", "right")))


def test_captions_say_everything_in_order():
    assert caption(TWO) == "a red striped circle on the left and a green solid star on the right on a blue background"
    assert caption(Scene("orange", (place_thing("heart", "orange", "sketch", "center"),))) == "an orange sketch heart in the center on an orange background"
    assert caption(Scene(wide="mountains", tone="night")) == "mountains at night"
    assert caption(Scene(wide="bricks", tone="red")) == "red bricks"
    assert caption(Scene("white")) == "a white background"


def test_each_attribute_is_left_out_of_a_fifth_of_the_captions():
    said = [caption(TWO, 0.2, seed) for seed in range(2000)]
    for word in ("red", "striped", "circle", "on the left", "blue background"):
        assert np.mean([word in text for text in said]) == pytest.approx(0.8, abs=0.04)
    assert all(word in words.WORDS for text in said for word in text.split())


def test_the_same_seed_gives_the_same_scene_and_pixels():
    first, second = random_scene(5), random_scene(5)
    assert first == second
    assert torch.equal(render(first).image, render(second).image)
    assert random_scene(6) != first


def test_masks_boxes_and_colours_are_exact():
    picture = render(TWO)
    assert picture.image.dtype == torch.float32 and picture.masks.shape == (2, 128, 128)
    for mask, box, thing in zip(picture.masks, picture.boxes, TWO.things, strict=True):
        ys, xs = mask.nonzero().T
        assert box == (xs.min() / 128, ys.min() / 128, (xs.max() + 1) / 128, (ys.max() + 1) / 128)
        assert abs((box[0] + box[2]) / 2 - thing.x) < 0.02
    assert set(picture.masks.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(picture.image[:, 0, 0] * 255, torch.tensor(PALETTE["blue"]).float())
    star = picture.image[:, 64, 96] * 255
    assert torch.allclose(star, torch.tensor(PALETTE["green"]).float())


def test_a_circle_has_its_area_and_its_outline_runs_along_the_edge():
    scene = Scene("black", (place_thing("circle", "red"),))
    picture = render(scene, 256, 256)
    radius = 0.18 * 256 * 0.95
    assert picture.masks.sum().item() == pytest.approx(np.pi * radius**2, rel=0.01)
    y, x = np.mgrid[:256, :256] + 0.5
    off = np.abs(np.hypot(x - 128, y - 128) - radius)
    assert off[picture.outline.numpy() > 0].max() <= 1.5
    assert picture.outline.numpy()[off < 0.4].min() == 1


@pytest.mark.parametrize("shape", world.SHAPES)
def test_distances_are_true_distances(shape: str):
    """A signed distance changes by at most one a pixel, and by about one almost everywhere."""
    y, x = np.mgrid[-40:41, -40:41].astype(np.float32)
    signed = drawing.distance(shape, x, y, 24.0)
    slope = np.hypot(*np.gradient(signed))[1:-1, 1:-1]  # at the border numpy looks to one side only
    assert slope.max() < 1.1 and np.median(slope) > 0.95
    assert signed[40, 40] < 0 < signed[0, 0]


@pytest.mark.parametrize("size", [(128, 128), (384, 128), (97, 61), (64, 192)])
def test_any_size_and_every_wide_scene(size: tuple[int, int]):
    for scene in [TWO, *(Scene(wide=name, tone=world.tones(name)[0]) for name in world.WIDE)]:
        picture = render(scene, *size)
        assert picture.image.shape == (3, size[1], size[0]) and picture.outline.shape == (size[1], size[0])
        assert 0 <= picture.image.min() and picture.image.max() <= 1
        assert len(picture.masks) == len(picture.boxes)


def test_what_is_nearer_hides_what_is_behind():
    behind, front = place_thing("square", "red"), place_thing("circle", "green")
    masks = render(Scene("white", (behind, front))).masks
    assert (masks[0] * masks[1]).sum() == 0 and masks[0].sum() > 0


def test_training_never_shows_held_out_combinations():
    def combinations(held_out: bool, count: int) -> set[tuple[str, str, str]]:
        scenes = [random_scene(seed, wide=0.0, held_out=held_out) for seed in range(count)]
        return {(t.shape, t.colour, t.texture) for scene in scenes for t in scene.things}

    shown, hidden = combinations(False, 3000), combinations(True, 300)
    assert not shown & hidden
    assert len(hidden) / (len(shown) + len(hidden)) == pytest.approx(0.05, abs=0.01)


def test_unknown_choices_and_words_are_named():
    with pytest.raises(ConcordError, match="no shape 'hexagon'; it has circle"):
        Thing("hexagon", "red")
    with pytest.raises(ConcordError, match="no tone 'red'"):
        Scene(wide="mountains", tone="red")
    assert words.unknown_words("A (red:1.2) dog, a Red cat and a dog") == ["dog", "cat"]


def test_words_expand_to_clips_table():
    compact = torch.randn(words.ROWS, 3)
    table = words.expand(compact)
    assert table.shape == (49408, 3)
    assert torch.equal(table[words.BEGIN], compact[0]) and torch.equal(table[words.END], compact[1])
    assert torch.equal(table[words.WORDS["red"]], compact[words.rows("red")[1]])
    assert torch.equal(table[12345], compact[words.UNKNOWN])
    assert words.rows("a dog")[:4] == [0, 2, words.UNKNOWN, 1] and len(words.rows("a " * 200)) == 77


def test_the_judge_reads_true_renders_and_ignores_what_is_no_picture():
    assert judge.find(torch.full((3, 128, 128), 0.3)) is None
    assert judge.find(torch.full((3, 128, 128), float("nan"))) is None
    seen = judge.find_all(render(TWO).image, TWO)
    assert [one.place for one in seen if one] == ["left", "right"]
    named = judge.Judge.load().names([one.cut for one in seen if one])
    assert named == [(thing.shape, thing.texture, thing.colour) for thing in TWO.things]


def test_scores_of_constant_pictures_are_zero():
    from concord.practice.scores import score

    for value in (0.0, 1.0, float("nan")):
        assert set(score(torch.full((1, 3, 128, 128), value), [TWO], judge.Judge.load()).values()) == {0.0}


def test_start_noise_depends_on_the_picture_not_on_the_batch():
    sampler = sampling.Sampler()
    assert torch.equal(sampler.noise(0, 4, (64, 64))[2], sampler.noise(2, 1, (64, 64))[0])


FILES = {
    "unet": (682, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"),
    "text_encoder": (36, "text_model.embeddings.token_embedding.weight"),
    "autoencoder": (134, "decoder.layers.0.weight"),
    "controlnet": (336, "controlnet_mid_block.weight"),
    "image_adapter": (36, "ip_adapter.31.to_v_ip.weight"),
    "vision": (None, "visual_projection.weight"),
    "judge": (None, "heads.0.weight"),
}


@pytest.mark.parametrize("name", FILES)
def test_weight_files_have_published_keys(name: str):
    from safetensors import safe_open

    count, key = FILES[name]
    with safe_open(str(model.WEIGHTS / f"{name}.safetensors"), "pt") as file:
        keys = list(file.keys())
        assert key in keys and (count is None or len(keys) == count)
        assert all(file.get_tensor(key).dtype == torch.float16 and torch.isfinite(file.get_tensor(key)).all() for key in keys)


def test_all_weights_fit_in_forty_megabytes():
    assert sum(path.stat().st_size for path in model.WEIGHTS.glob("*.safetensors")) <= 40e6


def test_weights_load_strictly():
    pytest.importorskip("diffusers")
    unet = model.load_unet()
    assert 4e6 < sum(p.numel() for p in unet.parameters()) < 12e6
    assert len([name for name in unet.attn_processors if "attn2" in name]) == 16
    assert model.load_text_encoder().config.vocab_size == words.ROWS
    model.load_autoencoder(), model.load_controlnet(), model.load_vision()
    from concord.practice.adapter import load_image_adapter

    load_image_adapter()


def test_configurations_agree():
    assert model.COMFY_UNET["model_channels"] == model.UNET["block_out_channels"][0]
    assert model.COMFY_UNET["context_dim"] == model.UNET["cross_attention_dim"] == model.TEXT["hidden_size"]
    assert dataclasses.is_dataclass(Scene)
