"""Prompts become tokens and encodings by CLIP's rules; the towers compute what transformers' own compute."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.core.loaders import CLIPLoader, DualCLIPLoader
from concord.hosts.diffusers.core.text import CLIPSetLastLayer, CLIPTextEncode, CLIPTextEncodeSDXL
from concord.hosts.diffusers.graph.context import Context, using
from concord.hosts.diffusers.loading.bpe import token_ids, token_text
from concord.hosts.diffusers.loading.build import build
from concord.hosts.diffusers.loading.clip import Clip, Tower
from concord.hosts.diffusers.loading.embeddings import EmbeddingFolders
from concord.hosts.diffusers.loading.prompt import split_embeddings, weighted_pieces
from concord.hosts.diffusers.loading.text import text_tower
from concord.hosts.diffusers.loading.vision import TOP as VISION_TOP
from concord.hosts.diffusers.loading.vision import load_vision, vision_config
from concord.model_loaders.clip_tower import TowerConfig, VisionTower
from concord.model_loaders.clip_vision import KINDS
from concord.practice.words import WORDS
from concord.processors.errors import ConcordError
from safetensors.torch import save_file

from . import loading_layouts as layouts


@pytest.mark.parametrize("text, pieces", [
    ("a (red:1.2) cat", [("a ", 1.0), ("red", 1.2), (" cat", 1.0)]),
    ("((a:0.5) b:1.5)", [("a", 0.5), (" b", 1.5)]),
    ("(a (b))", [("a ", 1.1), ("b", 1.1 * 1.1)]),
    (r"a \(b\) (c\)", [("a (b) ", 1.0), ("(c)", 1.0)]),
    ("(at 12:30)", [("at 12", 30.0)]),
    ("(a: b)", [("a: b", 1.1)]),
    ("", []),
])  # fmt: skip
def test_weights(text, pieces):
    assert weighted_pieces(text) == pieces


def test_embeddings_are_cut_out_at_word_starts():
    assert split_embeddings("a embedding:x b xembedding:y") == ["a ", "embedding:x b xembedding:y"]


def test_tokens_are_clips():
    assert [token_text(token) for token in token_ids("A Cat's  HÉLLO, x2")] == ["a</w>", "cat</w>", "'s</w>", "h", "Ã©", "llo</w>", ",</w>", "x</w>", "2</w>"]
    assert all(token_ids(word) == [token] for word, token in WORDS.items())


def small_clip(pad: int = 49407, **tower) -> Clip:
    shapes = layouts.text_l("", width=64, layers=3)
    return Clip((Tower("l", text_tower(layouts.random_tensors(shapes, dtype=torch.float32), "l", "small"), pad, **tower),))


def test_a_long_prompt_is_several_chunks_of_77():
    clip = small_clip()
    chunks = clip.tokenize("one two three, " * 40)["l"]
    assert [len(chunk) for chunk in chunks] == [77] * len(chunks) and len(chunks) == 3
    assert all(chunk[0][0] == 49406 and (49407, 1.0) in chunk for chunk in chunks)
    cond, pooled = clip.encode({"l": chunks})
    assert cond.shape == (1, 231, 64) and pooled.shape == (1, 64)
    assert torch.equal(pooled, clip.encode({"l": chunks[:1]})[1])


def test_weights_move_tokens_away_from_the_empty_prompt():
    clip = small_clip()
    plain, strong, none, empty = (clip.encode(clip.tokenize(text))[0] for text in ("a cat", "a (cat:2)", "a (cat:0)", ""))
    torch.testing.assert_close(strong[:, 2], 2 * plain[:, 2] - empty[:, 2])
    torch.testing.assert_close(none[:, 2], empty[:, 2])
    assert torch.equal(strong[:, 3:], plain[:, 3:])


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_the_text_tower_is_transformers(activation: str):
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    sizes = dict(hidden_size=64, num_attention_heads=4, num_hidden_layers=3, intermediate_size=128, projection_dim=32)
    reference = CLIPTextModelWithProjection(CLIPTextConfig(vocab_size=49408, hidden_act=activation, eos_token_id=49407, **sizes)).eval()
    tower = text_tower(reference.state_dict(), "t", "small", config=TowerConfig(64, 4, 3, 128, activation, projection=32))
    tokens = torch.tensor([[token for token, _ in small_clip().tokenize("a red cat")["l"][0]]])
    with torch.no_grad():
        expected = reference(tokens, output_hidden_states=True)
        last, hidden = tower(tower.embed(tokens), -2)
        pooled = tower.text_projection(last[:, 4])
    torch.testing.assert_close(last, expected.last_hidden_state, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(hidden, expected.hidden_states[-2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(pooled, expected.text_embeds, rtol=1e-4, atol=1e-4)


def test_the_vision_tower_is_transformers():
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes = dict(hidden_size=64, num_attention_heads=4, num_hidden_layers=3, intermediate_size=128, projection_dim=32, image_size=56, patch_size=14)
    reference = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes)).eval()
    tensors = {name: tensor for name, tensor in reference.state_dict().items() if "position_ids" not in name}
    tower = build(lambda: VisionTower(vision_config(tensors, heads=4)), tensors, "vision")
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, (last, penultimate, embedding) = reference(pixels, output_hidden_states=True), tower(pixels)
    torch.testing.assert_close(last, expected.last_hidden_state, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(penultimate, expected.hidden_states[-2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(embedding, expected.image_embeds, rtol=1e-4, atol=1e-4)


def test_text_encoder_files(tmp_path: Path):
    (tmp_path / "clip").mkdir()
    save_file(layouts.random_tensors(layouts.text_l("", layers=2)), tmp_path / "clip" / "clip_l.safetensors")
    save_file(layouts.random_tensors(layouts.text_g("", layers=2)), tmp_path / "clip" / "clip_g.safetensors")
    with using(Context(models=tmp_path)):
        names = ["clip_l.safetensors", "clip_g.safetensors"]
        single = CLIPLoader.execute(names[0]).args[0]
        double, swapped = (DualCLIPLoader.execute(*order).args[0] for order in (names, names[::-1]))
        with pytest.raises(ConcordError, match="clip_g.safetensors holds CLIP G. Stable Diffusion 1.x needs CLIP L"):
            CLIPLoader.execute("clip_g.safetensors")
    assert CLIPTextEncode.execute("a cat", single).args[0][0][0].shape == (1, 77, 768)
    conds = [CLIPTextEncodeSDXL.execute(clip=clip, text_g="a cat " * 90, text_l="a cat", width=512).args[0] for clip in (double, swapped)]
    assert conds[0][0][0].shape == (1, 231, 2048) and torch.equal(conds[0][0][0], conds[1][0][0])
    assert conds[0][0][1]["width"] == 512 and conds[0][0][1]["pooled_output"].shape == (1, 1280)


def test_clip_skip_gives_a_new_handle():
    clip = small_clip()
    skipped = CLIPSetLastLayer.execute(clip, -2).args[0]
    tokens = clip.tokenize("a cat")
    assert clip.skip is None and not torch.equal(clip.encode(tokens)[0], skipped.encode(tokens)[0])
    assert torch.equal(clip.encode(tokens)[1], skipped.encode(tokens)[1])


def test_a_missing_embedding_is_named(tmp_path: Path):
    with pytest.raises(ConcordError, match='"embedding:nowhere", which is not there'):
        EmbeddingFolders((tmp_path,)).find("nowhere, cat", "clip_l", 768)
    (tmp_path / "in").mkdir()
    save_file({"x": torch.zeros(1, 768)}, tmp_path / "secret.safetensors")
    with pytest.raises(ConcordError, match="which is not there"):
        EmbeddingFolders((tmp_path / "in",)).find("../secret", "clip_l", 768)


def test_a_wrong_vision_file_is_refused(tmp_path: Path):
    save_file(layouts.random_tensors(layouts.text_l("", layers=1, tokens=10)), path := tmp_path / "text.safetensors")
    with pytest.raises(ConcordError, match="text.safetensors holds no CLIP vision tower"):
        load_vision(path)


def vision_tensors(width: int, image: int = 224, layers: int = 2) -> dict:
    sizes = TowerConfig(width, 16, layers, 4 * width, projection=64, image=image)
    return layouts.random_tensors(layouts.shapes_of(lambda: VisionTower(sizes)))


@pytest.mark.parametrize("width, image, kind", [(1024, 224, "ViT-L"), (1024, 336, "ViT-L"), (1280, 224, "ViT-H"), (1664, 224, "ViT-bigG")])
def test_vision_files_are_told_by_their_tensors(tmp_path: Path, width: int, image: int, kind: str):
    save_file(vision_tensors(width, image), path := tmp_path / "v.safetensors")
    vision = load_vision(path)
    assert KINDS[vision.network.config.width] == kind and vision.network.config.image == image
    out = vision.encode_image(torch.rand(1, 30, 40, 3))
    assert out.image_embeds.shape == (1, 64) and out["penultimate_hidden_states"].shape == (1, (image // 14) ** 2 + 1, width)


def test_an_open_clip_vision_tower_is_the_same(tmp_path: Path):
    published = vision_tensors(1280, layers=1)
    layer, new = "vision_model.encoder.layers.0.", {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    tensors = {f"visual.{old}": published[f"vision_model.{name}"] for old, name in VISION_TOP.items()}
    tensors["visual.proj"] = published["visual_projection.weight"].T.contiguous()
    for kind in ("weight", "bias"):
        tensors[f"visual.transformer.resblocks.0.attn.in_proj_{kind}"] = torch.cat([published[f"{layer}self_attn.{part}_proj.{kind}"] for part in "qkv"])
        for name, old in ({"self_attn.out_proj": "attn.out_proj"} | new).items():
            tensors[f"visual.transformer.resblocks.0.{old}.{kind}"] = published[f"{layer}{name}.{kind}"]
    save_file(tensors, path := tmp_path / "v.safetensors")
    loaded = load_vision(path).network.state_dict()
    assert loaded.keys() == published.keys() and all(torch.equal(loaded[name], tensor) for name, tensor in published.items())
