"""Canvas edits: what a sampler walks with them is what one would walk by hand, step by step; what cannot be followed is refused."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
import torch
from concord.hosts.diffusers import host
from concord.hosts.diffusers.guidance import Followed
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample
from concord.hosts.diffusers.samplers import SAMPLERS
from concord.processors.edit import Canvas, LatentEdit, Program, Stage
from concord.processors.errors import ConcordError
from concord.processors.rows import Lanes
from concord.processors.run import Run
from concord.processors.stepping import Stepper, shared_noise

from .sampling_models import noise, text, unet

SIGMAS = (9.0, 5.0, 2.5, 1.0, 0.3, 0.0)
PAIR = Lanes(((0, "source", 0), (1, "target", 0)))
SINGLE_STEP = ("euler", "ddim", "heun", "euler_ancestral")


@dataclass(frozen=True, eq=False, kw_only=True)
class Push(LatentEdit):
    """Moves targets by an amount that tells the steps apart."""

    technique, stage, order, taker = "Push", Stage.LATENTS_BEFORE, Canvas.OVERWRITE, "target"
    by: float = 0.1

    def change(self, x, step):
        moved = x.clone()
        moved[list(step.where(self))] += self.by * (step.number + 1) * step.sigma
        return moved


@dataclass(frozen=True, eq=False, kw_only=True)
class Shrink(Push):
    stage, order = Stage.LATENTS_AFTER, Canvas.BLEND

    def change(self, x, step):
        moved = x.clone()
        moved[list(step.where(self))] *= 1 - self.by * (step.number + 1)
        return moved


@dataclass(eq=False)
class Diary:
    id: str = "diary"
    lines: list = field(default_factory=list)


@dataclass(frozen=True, eq=False, kw_only=True)
class Note(LatentEdit):
    """Writes down when it is asked."""

    technique, stage = "Note", Stage.LATENTS_BEFORE
    diary: Diary

    def change(self, x, step):
        self.diary.lines.append((self.stage.name[8:].lower(), step.number, step.sigma, x.clone()))
        return x


@dataclass(frozen=True, eq=False, kw_only=True)
class NoteAfter(Note):
    stage = Stage.LATENTS_AFTER


def toy(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """A denoiser that is not linear, and mixes neighbours."""
    return torch.tanh(0.7 * x.roll(1, -1) + x / (1 + sigma.view(-1, 1, 1, 1)))


def draw(sigma, sigma_next):
    return noise(2, 4, 5, 6, seed=int(100 * float(sigma))).double()


def start() -> torch.Tensor:
    return noise(2, 4, 5, 6).double() * SIGMAS[0]


def followed(name: str, edits, sigmas=SIGMAS) -> torch.Tensor:
    run = Run(Program.of(edits, PAIR), 2, sigmas)
    stepper = Stepper(run, SAMPLERS[name].inner)
    x = SAMPLERS[name].walk(Followed(toy, stepper), start(), torch.tensor(sigmas, dtype=torch.float64), draw, lambda *_: None)
    return stepper.leave(x)


@pytest.mark.parametrize("sigmas", [SIGMAS, SIGMAS[:-1]], ids=["to the end", "stopped early"])
@pytest.mark.parametrize("name", SINGLE_STEP)
def test_single_step_samplers_are_exact(name, sigmas):
    """Every step a run of its own, with the edits done by hand in between."""
    edits = (Push(), Shrink(by=0.05))
    run, x = Run(Program.of(edits, PAIR), 2, sigmas), start()
    for i in range(len(sigmas) - 1):
        step = run.step(sigmas[i], run.program.lanes.rows([("positive", 0, None, None)], 2))
        x = edits[0].change(x, step)
        x = SAMPLERS[name].walk(toy, x, torch.tensor(sigmas[i : i + 2], dtype=torch.float64), draw, lambda *_: None)
        x = edits[1].change(x, step)
    assert torch.equal(followed(name, edits, sigmas), x)
    assert (x[1] - followed(name, (), sigmas)[1]).abs().max() > 0.1 and torch.equal(x[0], followed(name, (), sigmas)[0])


@pytest.mark.parametrize("name", SAMPLERS)
def test_each_stage_is_asked_once_a_step(name):
    """After a step with that step's own number, before the next; what is written is what the model then sees."""
    diary, seen = Diary(), []
    run = Run(Program.of([NoteAfter(diary=diary), Note(diary=diary), Push()], PAIR), 2, SIGMAS)
    stepper = Stepper(run, SAMPLERS[name].inner)
    watch = lambda x, sigma: seen.append((float(sigma[0]), x.clone())) or toy(x, sigma)
    stepper.leave(SAMPLERS[name].walk(Followed(watch, stepper), start(), torch.tensor(SIGMAS, dtype=torch.float64), draw, lambda *_: None))
    assert [line[:3] for line in diary.lines] == [(when, i, SIGMAS[i]) for i in range(5) for when in ("before", "after")]
    for _, number, sigma, x in diary.lines[::2]:
        shown = [s for s, other in seen if torch.equal(other[0], x[0]) and torch.allclose(other[1], x[1] + 0.1 * (number + 1) * sigma)]
        assert sigma in shown


def test_inactive_edits_leave_the_tensor_alone():
    run = Run(Program.of([Push(window=(0.5, 0.6)), Push(branches=frozenset({"negative"}), by=0.3)], PAIR), 2, SIGMAS, lambda sigma: 0.9)
    x = start()
    before = x.clone()
    Stepper(run).enter(x, SIGMAS[0])
    assert torch.equal(x, before)


def test_what_cannot_be_followed_is_refused():
    run = Run(Program.of([Push()], PAIR), 2, SIGMAS)
    twice = Stepper(run)
    twice.enter(start(), SIGMAS[0])
    twice.enter(start(), 7.0)  # between two steps
    with pytest.raises(ConcordError, match="Push.*euler"):
        twice.enter(start(), SIGMAS[0])
    skips = Stepper(run)
    skips.enter(start(), SIGMAS[0])
    with pytest.raises(ConcordError, match="left out step 2 of 5"):
        skips.leave(start())


@pytest.mark.parametrize(("roles", "samples", "expected"), [
    ((), 2, None), (((0, "reference", 0), (1, "target", 0)), 2, None), (PAIR.roles, 2, (0, 0)), (PAIR.roles, 3, (0, 0, 2)),
    (((0, "source", 0), (1, "target", 0), (2, "source", 1), (3, "target", 1)), 4, (0, 0, 2, 2)),
    (((1, "source", 0), (0, "target", 5)), 2, (1, 1)), (((0, "source", 0), (1, "source", 1), (2, "target", 7)), 3, None)])
def test_targets_get_their_sources_noise(roles, samples, expected):
    assert shared_noise(Lanes(roles), samples) == expected


@pytest.mark.parametrize(("name", "masked"), [*((name, False) for name in SAMPLERS), ("ddim", True), ("euler_ancestral", True)])
def test_a_target_with_its_sources_prompt_is_its_source(name, masked):
    model = host.attach(Model(unet(), latent=LatentFormat(scale=1.0)), Push(by=0.0), lanes=PAIR)
    latent = {"samples": noise(1, 4, 6, 8).repeat(2, 1, 1, 1), "batch_index": [0, 0]} | ({"noise_mask": torch.eye(6, 8)[None, None]} if masked else {})
    run = lambda m: sample(m, 3, 3, 3.0, name, "karras", text(1), text(2), latent)["samples"]
    made, alone = run(model), run(replace(model, program=Program()))
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], alone[0])
    if "sde" in name or "ancestral" in name:
        assert not torch.equal(alone[0], alone[1])


def test_a_masked_run_at_cfg_1_writes_the_samplers_own_canvas():
    """The edit sees the canvas as the sampler has it, noise and all, not what the mask shows to the model; what it writes goes on from there."""
    latent, noted = {"samples": noise(2, 4, 6, 8), "noise_mask": torch.zeros(1, 1, 6, 8)}, []
    for by in (0.0, 0.1):
        diary = Diary()
        model = host.attach(Model(unet(), latent=LatentFormat(scale=1.0)), Note(diary=diary), Push(by=by), lanes=PAIR)
        sample(model, 3, 2, 1.0, "euler", "normal", text(1), text(2), latent)
        noted.append(diary.lines)
    (first, second), (_, pushed) = noted
    assert first[3].std() > 10 and second[2] < first[2]
    assert torch.allclose(pushed[3] - second[3], second[2] * torch.tensor([0.0, 0.1]).view(2, 1, 1, 1), atol=1e-5)
