"""Prompts become the same tokens, weights and encodings here as in the real ComfyUI."""
from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from concord.hosts.diffusers.loading.clip import Clip, Tower
from concord.hosts.diffusers.loading.embeddings import EmbeddingFolders
from concord.hosts.diffusers.loading.text import text_tower
from concord.model_loaders.clip_tower import TowerConfig
from safetensors.torch import save_file

from .versions import version

DEEP = True  # in older hosts: slow
PROMPTS = [
    "", " ", "a red cat",
    "A Photo Of A CAT", "a (red:1.2) cat", "(a (very (red)) cat)", "(((deep)))", "(a:0.5)(b:1.5)", "((a:0.5) b:1.5)", "[not] {a} <weight>",
    "a \\(escaped\\) bracket", "(half \\( open:1.3)", "unbalanced (bracket", "unbalanced) bracket (here", ")(", "()", "(:1.2)", "(a:b:1.4)", "(a:)",
    "(word:-1)", "(word:1e1)", "(time 12:30)", "ünïcödé naïve café", "\u0041\u030a ngstrom", "日本語の猫", "🐱🔥 emoji",
    "tab\tand\nnewline  and   spaces", "don't you've it's we'll",
    "1234567890 3.14", "semi;colon!!! ??? ... ---", "no embeddings:here", "<|endoftext|> in the middle", "a, b, c, d", "x" * 300,
    "word " * 74, "word " * 75, "word " * 76, "many words " * 60, "start, (" + "weighted words " * 40 + ":1.3), " + "and on " * 30,
    "(six tokens in this one group:1.1)" * 20, "\0\1 control \0\2", "(a\nb:1.1)\n(c)",
]  # fmt: skip


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def family(request) -> str:
    return request.param


def own_clip(family: str, weights: dict, skip: int | None = None, embeddings: tuple = ()) -> Clip:
    def tower(name: str, config: TowerConfig) -> object:
        prefix = f"clip_{name}.transformer."
        return text_tower({k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)}, "test", "small", config=config)

    small = tower("l", TowerConfig(64, 4, 3, 128))
    if family == "sd1":
        return Clip((Tower("l", small),), skip, EmbeddingFolders(embeddings))
    wide = tower("g", TowerConfig(96, 4, 4, 192, "gelu", projection=96))
    return Clip((Tower("l", small, layer=-2, norm=False), Tower("g", wide, pad=0, layer=-2, norm=False, projected=True)), skip, EmbeddingFolders(embeddings))


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def test_tokens_and_weights(in_host):
    from concord.hosts.diffusers.loading.chunks import chunks

    for prompt, theirs in zip(PROMPTS, in_host("loading_text.py", "tokens", prompts=PROMPTS), strict=True):
        for name, pad in (("l", 49407), ("g", 0)):
            ours = [[list(pair) for pair in chunk] for chunk in chunks(prompt, pad, partial(pytest.fail, pytrace=False))]
            assert ours == theirs[name], f"{prompt!r}, tower {name}"


@pytest.mark.parametrize("skip", [None, -1, -2, -3, -9])
def test_encodings(in_host, comfy, family, skip):
    if skip == -9 and family == "sdxl" and version(comfy) < (0, 9):
        pytest.skip("older than what is followed here: a layer that the tower does not have is its last one")
    prompts = PROMPTS[:18] + PROMPTS[35:39] if skip is None else PROMPTS[2:6]
    theirs = in_host("loading_text.py", "encodings", family=family, prompts=prompts, skip=skip)
    clip = own_clip(family, theirs["weights"], skip)
    for prompt, (cond, pooled) in zip(prompts, theirs["conds"], strict=True):
        own_cond, own_pooled = clip.encode(clip.tokenize(prompt))
        assert difference(own_cond, cond) < 1e-4, prompt
        assert difference(own_pooled, pooled) < 1e-4, prompt


def test_textual_inversions(in_host, family, tmp_path: Path):
    vectors = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    (tmp_path / "sub").mkdir()
    save_file({"emb_params": vectors}, tmp_path / "style.safetensors")
    torch.save({"string_to_param": {"*": vectors[:2]}}, tmp_path / "sub" / "old.pt")
    save_file({"clip_l": vectors, "clip_g": torch.cat([vectors, vectors[:, :32]], dim=1)}, tmp_path / "both.safetensors")
    prompts = ["a embedding:style, cat", "embedding:old", "(embedding:both:1.3) and more", "xembedding:style"]
    theirs = in_host("loading_text.py", "encodings", family=family, prompts=prompts, embeddings=str(tmp_path))
    clip = own_clip(family, theirs["weights"], embeddings=(tmp_path,))
    for prompt, (cond, pooled) in zip(prompts, theirs["conds"], strict=True):
        own_cond, own_pooled = clip.encode(clip.tokenize(prompt))
        assert difference(own_cond, cond) < 1e-4, prompt
        assert difference(own_pooled, pooled) < 1e-4, prompt
