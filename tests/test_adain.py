"""AdaIN: on latents and inside the attention, against its formula written out (Huang and Belongie, arXiv 1703.06868, equation 8)."""
from __future__ import annotations

import pytest
import torch
from concord.processors.attention.adain import FEATURES, feature_adain
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.latents.adain import latent_adain
from concord.processors.rows import Lanes, Site, View
from concord.processors.run import Run, Step, at_site, attention
from concord.processors.statistics import MODES
from torch import Tensor
from torch.nn.functional import interpolate, scaled_dot_product_attention

B, H, D, GRID = 3, 2, 5, (4, 6)
N = GRID[0] * GRID[1]
WINDOW = View(2, 4, 8, 12, (16, 24))


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * (1 + seed % 3) + seed


def moments(x: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Of [..., places]: the mean, and the unbiased deviation with the authors' eps; of the places that count."""
    if weights is None:
        return x.mean(-1, keepdim=True), (x.var(-1, keepdim=True) + 1e-5).sqrt()
    mean = (x * weights).sum(-1, keepdim=True) / weights.sum()
    return mean, ((weights * (x - mean) ** 2).sum(-1, keepdim=True) / (weights.sum() - 1) + 1e-5).sqrt()


def formula(x: Tensor, like: Tensor, mode: str, strength: float = 1.0, mask: Tensor | None = None, shown: Tensor | None = None) -> Tensor:
    (m, s), (m1, s1) = moments(x, mask), moments(like, shown)
    changed = {"mean and deviation": (x - m) / s * s1 + m1, "mean": x - m + m1, "deviation": (x - m) / s * s1 + m}[mode]
    return x + (changed - x) * strength * (1 if mask is None else mask)


LATENT, LIKE = noise(1, B, 4, 6, 8), noise(2, 2, 4, 5, 7)
MASK, SHOWN = (noise(3, B, 48, 64) > 3).double(), (noise(4, 2, 5, 7) > 4).double() * 0.75


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strength", (1.0, 0.4))
@pytest.mark.parametrize("masked", (False, True))
def test_latents_by_the_formula(mode, strength, masked):
    """Picture b of the batch follows picture b % 2 of the reference, through masks of their own."""
    out = latent_adain(LATENT, [LIKE], mode=mode, strength=strength, mask=MASK if masked else None, reference_masks=[SHOWN if masked else None])
    for b in range(B):
        mask = interpolate(MASK[b][None, None], (6, 8), mode="area").flatten() if masked else None
        expected = formula(LATENT[b].flatten(1), LIKE[b % 2].flatten(1), mode, strength, mask, SHOWN[b % 2].flatten() if masked else None)
        assert (out[b].flatten(1) - expected).abs().max() < 1e-10


def test_latents_have_the_statistics_of_the_reference():
    out = latent_adain(LATENT, [LIKE])
    for b in range(B):
        assert torch.allclose(out[b].mean((-2, -1)), LIKE[b % 2].mean((-2, -1)), atol=1e-10)
        assert torch.allclose(out[b].std((-2, -1)), LIKE[b % 2].std((-2, -1)), atol=1e-4)
    assert torch.allclose(latent_adain(out, [LIKE]), out, atol=1e-4)


def test_the_mean_of_a_centred_tensor_does_nothing():
    centred = LATENT - LATENT.mean((-2, -1), keepdim=True)
    assert torch.allclose(latent_adain(centred, [centred.flip(0)], mode="mean"), centred, atol=1e-12)


def test_between_two_references():
    one, other = (latent_adain(LATENT, [like]) for like in (LIKE[:1], LIKE[1:]))
    mix = lambda weights: latent_adain(LATENT, [LIKE[:1], LIKE[1:]], weights)
    assert torch.equal(mix((1.0, 0.0)), one)
    assert torch.allclose(mix((3.0, 1.0)), 0.75 * one + 0.25 * other, atol=1e-10)


def test_strength_0_is_nothing_and_an_empty_mask_changes_nothing():
    assert latent_adain(LATENT, [LIKE], strength=0.0) is LATENT
    nowhere = torch.zeros(1, 8, 8, dtype=torch.float64)
    assert torch.equal(latent_adain(LATENT, [LIKE], mask=nowhere), LATENT)
    assert torch.equal(latent_adain(LATENT, [LIKE], reference_masks=[nowhere]), LATENT)


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16, torch.float32))
@pytest.mark.parametrize("masked", (False, True))
def test_latents_of_other_precisions(dtype, masked):
    out = latent_adain(LATENT.to(dtype), [LIKE.to(dtype)], mask=MASK if masked else None)
    assert out.dtype == dtype and (out.double() - latent_adain(LATENT, [LIKE], mask=MASK if masked else None)).abs().max() < 0.3


def test_empty_latents_stay_finite():
    assert latent_adain(torch.zeros(1, 4, 8, 8), [LIKE]).isfinite().all() and latent_adain(LATENT, [torch.zeros(1, 4, 8, 8)]).isfinite().all()


@pytest.mark.parametrize("other,said", [({"references": [noise(1, 1, 16, 4, 4)]}, "do not go together"), ({"mode": "median"}, "no mode 'median'"),
                                        ({"weights": (1.0, 2.0)}, "do not fit 1 references"), ({"weights": (0.0,)}, "not 0 to all")])
def test_what_does_not_fit_is_said(other, said):
    with pytest.raises(ConcordError, match=said):
        latent_adain(**{"latent": LATENT, "references": [LIKE], **other})


Q, K, V = (noise(i, 2 * B, H, N, D) for i in (5, 6, 7))
SITE, CROSS = Site("self", 2, "up", H, GRID), Site("cross", 2, "up", H, GRID)


def step(made, lanes: Lanes, view: View | None = None, **keep) -> Step:
    run = Run(Program.of(made, lanes), B, **keep)
    return run.step(1.0, lanes.rows([(branch, 0, view, None) for branch in ("positive", "negative")], B))


def ours(made, site: Site = SITE, reference: int = 1, view: View | None = None) -> Tensor:
    at = step(made, reference_lane(reference), view)
    return attention(at_site(at.run.program, site, at), site, at, Q, K, V)


def tokens(mask: Tensor, view: View | None) -> Tensor:
    mask = mask if view is None else view.crop(interpolate(mask[None, None], view.canvas, mode="area"))[0, 0]
    return interpolate(mask[None, None], GRID, mode="area").flatten()


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("view", (None, WINDOW), ids=("whole", "window"))
@pytest.mark.parametrize("masked", (False, True))
def test_features_by_the_formula(features, mode, view, masked):
    masks = noise(8, B, 16, 24).gt(8).double(), noise(9, 1, 16, 24).gt(9).double()
    made = feature_adain(features, mode, 0.7, mask=masks[0] if masked else None, reference_mask=masks[1] if masked else None)
    out, letters = ours(made, view=view), FEATURES[features]
    for i in range(2 * B):
        giver, sample = 3 * (i // B) + 1, i % B
        weights = (tokens(masks[0][sample], view), tokens(masks[1][0], view)) if masked else (None, None)
        like = lambda x, i=i, giver=giver, weights=weights: x[i] if i == giver else formula(x[i].mT, x[giver].mT, mode, 0.7, *weights).mT
        q, k, v = (like(t) if name in letters else t[i] for name, t in (("q", Q), ("k", K), ("v", V)))
        plain = scaled_dot_product_attention(Q, K, V)
        expected = like(plain) if "s" in letters else scaled_dot_product_attention(q, k, v)
        assert (out[i] - expected).abs().max() < 1e-9, i


def test_cross_attention_only_gives_its_output():
    plain = scaled_dot_product_attention(Q, K, V)
    for features, letters in FEATURES.items():
        assert torch.equal(ours(feature_adain(features), CROSS), plain) == ("c" not in letters)


def test_the_reference_is_left_alone_to_the_bit():
    plain = scaled_dot_product_attention(Q, K, V)
    for features in FEATURES:
        assert torch.equal(ours(feature_adain(features))[1], plain[1])


@pytest.mark.parametrize("features", FEATURES)
def test_a_reference_of_an_earlier_call_lends_the_same(features):
    lanes = reference_lane(1)
    mask = noise(9, B, 16, 24).gt(9).double()
    at = step(feature_adain(features, reference_mask=mask), lanes)
    whole = attention(at_site(at.run.program, SITE, at), SITE, at, Q, K, V)
    run = Run(at.run.program, B, keep=frozenset({"reference"}))
    for lane in ("reference", "plain"):
        rows = [i for i, row in enumerate(at.rows) if row.lane == lane]
        part = run.step(1.0, [at.rows[i] for i in rows])
        out = attention(at_site(run.program, SITE, part), SITE, part, Q[rows], K[rows], V[rows])
        assert (out - whole[rows]).abs().max() < 1e-12


def test_strength_0_is_neutral():
    assert not Program.of([edit for features in FEATURES for edit in feature_adain(features, strength=0.0)])


def test_two_alignments_of_one_thing_are_refused_and_of_two_things_are_not():
    run = lambda *made: Run(Program.of(made, reference_lane(1)), B, (1.0, 0.0)).check([SITE, CROSS])
    run(*style_aligned(), *feature_adain("values"), *feature_adain("output of both attentions"))
    with pytest.raises(ConcordError, match="(FeatureAdaIN and Style|Aligned and Feature).* both set the statistics of keys and statistics of queries"):
        run(*style_aligned(), *feature_adain("queries and keys"))


def test_unknown_features_are_refused():
    with pytest.raises(ConcordError, match="AdaIN of 'colours' by 'mean' is not known"):
        feature_adain("colours", "mean")
