"""Guidance by gradients: the slope is that of the loss, of all losses at one canvas, of each picture by itself, and in half precision too."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.processors.attention.masactrl import masactrl  # noqa: E402
from concord.processors.latents.gradient import LOOKS, Tries, move  # noqa: E402
from concord.processors.looking import Looking  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402
from concord.processors.rows import Lanes  # noqa: E402

from .guidance_runs import MODES, by_mode, started  # noqa: E402
from .sampling_models import noise, unet  # noqa: E402


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(unet(), latent=LatentFormat(scale=1.0))


@by_mode
@pytest.mark.parametrize("windows", [(), multidiffusion((8, 8), (4, 4))], ids=["one canvas", "windows"])
def test_the_slope_is_that_of_the_loss(mode, windows):
    """By differences, in double precision, through the whole network."""
    step, edit = started(Model(unet().double(), latent=LatentFormat(scale=1.0)), (*MODES[mode](), *windows))
    x = noise(2, 4, 8, 12, seed=4).double() * 5

    def losses(x: Tensor) -> Tensor:
        step.run.looking = looking = Looking.of([edit], step.run)
        with step.run.look() as evaluate:
            evaluate(x, 5.0)
        step.run.looking = None
        return edit.losses(looking.seen(edit, (0, 1)), step)[1].detach()

    edit = replace(edit, thresholds=()) if mode != "backward" else edit
    made, samples = move([(Tries.of(edit, step), (0, 1))], x, step) / edit.size(step), (0, 1)
    for seed in range(3):
        way, h = noise(2, 4, 8, 12, seed=50 + seed).double(), 1e-5
        differences = (losses(x + h * way) - losses(x - h * way)) / (2 * h)
        assert torch.allclose((made * way).sum((1, 2, 3))[list(samples)], differences, rtol=1e-6, atol=1e-9)


def test_losses_of_one_step_are_asked_at_one_canvas(model):
    """Two edits move by the sum of what each would do at that canvas, in looks that they share; their order is nothing, one that is there twice is one."""
    one, other = MODES["backward"](iterations=1), MODES["attend_and_excite"](thresholds=())
    x = noise(2, 4, 8, 12, seed=4) * 5
    moved = {}
    for name, edits in {"one": one, "other": other, "both": (*one, *other), "turned": (*other, *one), "twice": (*one, *one)}.items():
        step, first = started(model, edits)
        moved[name] = first.change(x, step) - x
        assert sum(step.run.memory[LOOKS].values()) == 1
        assert all(torch.equal(edit.change(x, step), x) for edit in step.run.program.at(first.stage, step) if edit is not first)
    assert torch.allclose(moved["both"], moved["one"] + moved["other"], atol=1e-5)
    assert torch.equal(moved["both"], moved["turned"]) and torch.equal(moved["one"], moved["twice"])


def test_a_source_does_not_move_to_help_its_target_and_a_reference_not_at_all(model):
    """MasaCtrl lets the target look at the source, so that its loss depends on the source's canvas."""
    x = noise(3, 4, 8, 12, seed=4) * 5
    lanes = Lanes(((0, "source", 0), (1, "target", 0), (2, "reference", 0)))
    move_of = lambda *edits: (found := started(model, edits, lanes, 3))[1].change(x, found[0]) - x
    plain, mutual = move_of(*MODES["backward"]()), move_of(*MODES["backward"](), *masactrl("plain", (0.0, 1.0), None))
    assert torch.allclose(mutual[0], plain[0], rtol=1e-4, atol=1e-6) and (mutual[1] - plain[1]).abs().max() > 1e-4
    assert not mutual[2].any() and mutual[0].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@by_mode
def test_half_precision(mode, dtype):
    made = {}
    for kind in (torch.float32, dtype):
        step, edit = started(Model(unet().to(kind), latent=LatentFormat(scale=1.0)), MODES[mode]())
        made[kind] = move([(Tries.of(edit, step), (0, 1))], noise(2, 4, 8, 12, seed=4) * 5, step)
    assert made[dtype].dtype == torch.float32
    assert torch.cosine_similarity(made[dtype].flatten(1), made[torch.float32].flatten(1)).min() > 0.97
