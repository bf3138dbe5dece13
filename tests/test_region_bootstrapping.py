"""Regions of MultiDiffusion: the paper's algorithm, written out, is what whole runs give; and bootstrapping is seeded, local, and nothing at 0."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import guided  # noqa: E402
from concord.hosts.diffusers.samplers import euler  # noqa: E402
from concord.processors.conditions.bootstrapping import Bootstrapping, bootstrapping, flat_latents, random_latents  # noqa: E402
from concord.processors.conditions.region_branches import Told, with_regions  # noqa: E402
from concord.processors.edit import Program  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402
from concord.processors.rows import View  # noqa: E402
from concord.processors.run import Run  # noqa: E402

from .paper_regions import PromptedConv, paper  # noqa: E402
from .sampling_models import text  # noqa: E402

H, W, STEPS, CFG = 8, 20, 10, 5.0
MASKS = torch.zeros(2, H, W)
MASKS[0, :, :9] = 1
MASKS[1, 2:7, 6:18] = 1  # the two overlap
NOISE = torch.randn(1, 4, H, W, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
PICTURE = torch.randn(1, 4, H, W, generator=torch.Generator().manual_seed(2))
FLAT = torch.tensor([0.5, -1.0, 2.0, 0.1]).view(1, 4, 1, 1)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(PromptedConv(), latent=LatentFormat(scale=1.0))  # type: ignore[arg-type]


def ours(model: Model, until: float, backgrounds: torch.Tensor, *more, told=None) -> torch.Tensor:
    told = told or [Told(MASKS[0], text(3), text(4), "a" if until else ""), Told(MASKS[1], text(5), None, "b" if until else "")]
    positive, negative = with_regions(text(1), text(2), told)
    model = host.attach(model, *bootstrapping([one.mark for one in told], [one.mask for one in told], backgrounds, until), *more)
    sigmas = levels(model)
    denoise = guided(model, CFG, {"positive": positive, "negative": negative}, 1, (H, W), sigmas)
    denoise.run.noise = NOISE
    return euler(denoise, NOISE * torch.sqrt(1 + sigmas[0] ** 2), sigmas, lambda *_: NOISE, lambda *_: None)


def levels(model: Model) -> torch.Tensor:
    return torch.cat([model.sampling.sigmas[range(999, -1, -1000 // STEPS)].double(), torch.zeros(1, dtype=torch.float64)])


def theirs(model: Model, bootstrapped: int, background, windows=((0, H, 0, W),)) -> torch.Tensor:
    masks = torch.cat([(1 - MASKS.sum(0)).clamp(min=0)[None], MASKS]).double()
    alphas = [(float(model.sampling.timestep(sigma[None])) if sigma else 0.0, float(1 / (1 + sigma**2))) for sigma in levels(model)]
    texts = lambda *seeds: [text(seed)[0][0].double() for seed in seeds]
    return paper(model.network, NOISE, alphas, windows, masks, texts(1, 3, 5), texts(2, 4, 2), CFG, bootstrapped, background)


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).detach().abs().max() / b.detach().abs().max())


@pytest.mark.parametrize("bootstrapped", [0, 4])
def test_the_papers_regions(model, bootstrapped):
    """0.35 of the run are the first four of ten steps: they begin at 0, .1, .2 and .3 of it."""
    until = 0.35 if bootstrapped else 0.0
    assert far(ours(model, until, FLAT), theirs(model, bootstrapped, lambda *_: FLAT)) < 1e-6
    if bootstrapped:
        assert far(ours(model, until, FLAT), ours(model, 0.0, FLAT)) > 1e-2


@pytest.mark.parametrize("per_call", [0, 1])
def test_the_papers_regions_in_windows_before_a_picture(model, per_call):
    windows = multidiffusion((8, 8), (8, 4), per_call=per_call)
    places = [(0, 8, x, x + 8) for x in range(0, 13, 4)]
    behind = lambda step, region, at: PICTURE[..., at[0] : at[1], at[2] : at[3]]
    assert far(ours(model, 0.35, PICTURE, *windows), theirs(model, 4, behind, places)) < 1e-6


def test_where_nothing_is_said_off_is_off(model):
    edits = bootstrapping(["a"], [MASKS[0]], FLAT, until=0.0)
    assert not Program.of(edits) and host.attach(model, *edits) is model
    assert with_regions([1], [2], []) == ([1], [2])  # type: ignore[list-item]


def test_a_region_of_half_strength_leaves_the_other_half_to_the_background(model):
    (positive, negative) = with_regions(text(1), text(2), [Told(0.5 * MASKS[0], text(3))])
    assert [float(keys["mask"].max()) for _, keys in positive] == [1.0, 0.5]
    assert torch.equal(positive[0][1]["mask"][0], 1 - 0.5 * MASKS[0]) and torch.equal(negative[1][0], negative[0][0])


def test_masks_of_the_background_stay_and_a_background_that_is_covered_is_not_run():
    half = torch.zeros(1, 4, 10)
    half[..., :5] = 1
    (first, _), _ = with_regions(text(1, mask=half), text(2), [Told(MASKS[1], text(3))])
    assert first[1]["mask"].shape == (1, H, W) and float(first[1]["mask"][0, :, 11:].max()) == 0 and float(first[1]["mask"][0, 0, 0]) == 1
    alone, _ = with_regions(text(1), text(2), [Told(torch.ones(H, W), text(3))])
    assert len(alone) == 1


def colours(step, view: View, mark: str = "a", seed: int = 0) -> torch.Tensor:
    edit = Bootstrapping(marks=("a", "b"), masks=tuple(MASKS), backgrounds=random_latents(3), seed=seed)
    return edit.see(torch.zeros(1, 4, view.h, view.w), view, mark, step, [0])[0, :, -1, -1]


def test_colours_are_drawn_anew_for_every_window_step_and_region_and_are_the_same_for_a_seed():
    run = Run(sigmas=(4.0, 2.0, 0.0), noise=NOISE.float() * 0 + 1e-9)
    left, right = View(0, 0, 8, 20, (H, W)), View(0, 2, 8, 18, (H, W))
    first = colours(run.step(4.0, ()), left)
    assert torch.equal(first, colours(Run(sigmas=(4.0, 2.0, 0.0), noise=NOISE.float() * 0 + 1e-9).step(4.0, ()), left))
    others = [colours(run.step(2.0, ()), left), colours(run.step(4.0, ()), right), colours(run.step(4.0, ()), left, seed=7)]
    assert sum(float((first - other).abs().max()) > 0.1 for other in others) >= 2


def test_inside_of_the_region_x_stays_to_the_bit():
    edit = Bootstrapping(marks=("a",), masks=(MASKS[0] * 0.3,), backgrounds=FLAT)
    view = View(0, 4, 8, 12, (H, W))
    x = view.crop(NOISE.float())
    seen = edit.see(x, view, "a", Run(sigmas=(4.0, 0.0)).step(4.0, ()), [0])
    assert torch.equal(seen[..., :5], x[..., :5]) and (seen[..., 5:] != x[..., 5:]).all()


def test_without_start_noise_it_is_drawn_from_the_seed():
    edit = Bootstrapping(marks=("a",), masks=(MASKS[0],), backgrounds=FLAT, seed=5)
    look = lambda noise: edit.see(torch.zeros(1, 4, H, W), View(0, 0, H, W, (H, W)), "a", Run(sigmas=(4.0, 0.0), noise=noise).step(4.0, ()), [0])
    assert torch.equal(look(None), look(torch.zeros(1, 4, H, W))) and look(None)[..., 9:].std() > 3


def test_flat_latents_are_the_middle_of_encoded_colours():
    latents = torch.zeros(2, 4, 8, 8)
    latents[1, :, 2:6, 2:6] = 3.0
    assert flat_latents(latents).flatten(1).tolist() == [[0.0] * 4, [3.0] * 4]


def test_a_part_of_the_run_is_wanted():
    with pytest.raises(ConcordError, match="bootstrap_percent is 1.5; it is a part of the run"):
        bootstrapping(["a"], [MASKS[0]], FLAT, until=1.5)
