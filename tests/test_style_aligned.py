"""StyleAligned: the numbers of the authors' formula (Hertz et al., arXiv 2312.02133), written out image by image."""
from __future__ import annotations

from math import log, sqrt

import pytest
import torch
from concord.processors.attention.style_aligned import adain, reference_lane, style_aligned
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.rows import Site
from concord.processors.run import Run, at_site, attention
from torch import Tensor

B, H, N, D = 4, 3, 10, 8
SITE = Site("self", 2, "up", H, (2, 5))


def noise(seed: int, n: int = N) -> Tensor:
    return torch.randn(B, H, n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + seed


Q, K, V = noise(1), noise(2), noise(3)


def ours(q: Tensor = Q, k: Tensor = K, v: Tensor = V, reference: int = 0, site: Site = SITE, **settings) -> Tensor:
    run = Run(Program.of(style_aligned(**settings), reference_lane(reference)), len(q))
    step = run.step(1.0, run.program.lanes.rows([("positive", 0, None, None)], len(q)))
    return attention(at_site(run.program, site, step), site, step, q, k, v)


def normalised(x: Tensor, like: Tensor) -> Tensor:
    """The authors' adain, with the mean and the (unbiased) deviation over tokens of each head and channel."""
    mean, deviation = x.mean(-2, keepdim=True), (x.var(-2, keepdim=True) + 1e-5).sqrt()
    return (x - mean) / deviation * (like.var(-2, keepdim=True) + 1e-5).sqrt() + like.mean(-2, keepdim=True)


def authors(letters: str = "qk", scale: float = 1.0, shift: float = 0.0, share: bool = True, reference: int = 0) -> Tensor:
    images = []
    for i in range(B):
        q, k, v = (normalised(t[i], t[reference]) if name in letters else t[i] for name, t in (("q", Q), ("k", K), ("v", V)))
        if share and i != reference:
            k, v = torch.cat([k, K[reference] * scale], -2), torch.cat([v, V[reference]], -2)
        scores = q @ k.mT / sqrt(D)
        scores[..., N:] += shift
        images.append(scores.softmax(-1) @ v)
    return torch.stack(images)


@pytest.mark.parametrize("settings", [{}, {"shift": log(2)}, {"scale": 0.8}, {"shift": -1.0, "scale": 1.2}, {"share": False}], ids=str)
@pytest.mark.parametrize("letters", ("qk", "qkv", "q", "k", "v", ""))
@pytest.mark.parametrize("reference", (0, 2))
def test_the_authors_formula(letters, settings, reference):
    assert (ours(adain=letters, reference=reference, **settings) - authors(letters, reference=reference, **settings)).abs().max() < 1e-10


def test_the_reference_is_left_alone_to_the_bit():
    """The authors also scale the reference's own second copy; here the reference is what it is without the technique."""
    plain = torch.nn.functional.scaled_dot_product_attention(Q, K, V)
    assert torch.equal(ours(shift=1.0, scale=0.5, adain="qkv")[0], plain[0])


def test_a_shift_of_ln_two_counts_the_reference_twice():
    doubled = torch.cat([K[:1], K[:1]], -2), torch.cat([V[:1], V[:1]], -2)
    k, v = (torch.cat([t[1], twice[0]], -2) for t, twice in zip((K, V), doubled, strict=True))
    truth = (Q[1] @ k.mT / sqrt(D)).softmax(-1) @ v
    assert (ours(adain="", shift=log(2))[1] - truth).abs().max() < 1e-12


def test_aligned_tensors_have_the_statistics_of_the_reference():
    aligned = adain(Q[1:], Q[:1])
    assert torch.allclose(aligned.mean(-2), Q[:1].mean(-2).expand(3, -1, -1), atol=1e-12)
    assert torch.allclose(aligned.std(-2), Q[:1].std(-2).expand(3, -1, -1), atol=1e-4)  # but for the authors' eps


def test_an_image_like_the_reference_does_not_change():
    same = [t[:1].expand(B, -1, -1, -1) for t in (Q, K, V)]
    assert (ours(*same) - torch.nn.functional.scaled_dot_product_attention(*same)).abs().max() < 1e-10


@pytest.mark.parametrize("dtype", (torch.float64, torch.float32, torch.float16, torch.bfloat16))
def test_a_single_token_is_finite_and_takes_the_mean(dtype):
    q, k, v = (noise(i, 1).to(dtype) for i in (1, 2, 3))
    out = ours(q, k, v, site=Site("self", 2, grid=(1, 1)), adain="qkv")
    assert out.isfinite().all() and out.dtype == dtype
    assert torch.allclose(out, v[:1].expand_as(out))


def test_cross_attention_is_not_touched():
    run = Run(Program.of(style_aligned()))
    assert at_site(run.program, Site("cross", 0), run.step(1.0, ())) == ()


def test_layers_and_window():
    edits = style_aligned(layers=frozenset({1}), window=(0.2, 0.6))
    assert [edit.window for edit in edits] == [(0.2, 0.6)] * 2
    assert [i for i in range(4) if edits[0].covers(Site("self", i))] == [1]


def test_unknown_letters_are_refused():
    with pytest.raises(ConcordError, match="adain is 'qx'; it takes the letters q, k and v"):
        style_aligned(adain="qx")


def test_the_order_of_letters_does_not_count():
    assert style_aligned(adain="kq")[0].id == style_aligned(adain="qk")[0].id
