"""Guidance by gradients in whole runs: the slope is that of the loss, pictures and edits do not get into each other's way, and no trace is left."""
from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from torch import Tensor

diffusers = pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.looking import look_of  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import guided, sample  # noqa: E402
from concord.processors.attention.attention_maps import attention_maps  # noqa: E402
from concord.processors.attention.masactrl import masactrl  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.latents.gradient import LOOKS, GradientEdit, Tries, guide, move  # noqa: E402
from concord.processors.latents.guidance.attend_and_excite import attend_and_excite  # noqa: E402
from concord.processors.latents.guidance.backward import backward_guidance  # noqa: E402
from concord.processors.latents.guidance.box_diff import box_diff  # noqa: E402
from concord.processors.looking import Looking  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402
from concord.processors.regions import Region  # noqa: E402
from concord.processors.rows import WORDS, Lanes  # noqa: E402

from .sampling_models import CROSS, fill, noise, text, unet  # noqa: E402

AIMS = ((Region(box=(0.0, 0.0, 0.5, 1.0), words="one"), (2,)), (Region(box=(0.5, 0.0, 1.0, 0.5), words="other"), (4, 5)))
FEW = dict(strength=0.3, iterations=2, window=(0.0, 0.7))
MODES = {
    "backward": lambda aims=AIMS, **how: backward_guidance(aims, **{**FEW, "strength": 0.05, **how}),
    "box_diff": lambda aims=AIMS, **how: box_diff(aims, **{**FEW, "thresholds": ((0.0, 0.9),), **how}),
    "attend_and_excite": lambda aims=AIMS, **how: attend_and_excite(aims, **{**FEW, "thresholds": ((0.0, 0.9),), **how}),
}
by_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(unet(), latent=LatentFormat(scale=1.0))


def draw(model: Model, *edits, samples: int | Tensor = 2, canvas=(8, 12), lanes=None, positive=None, steps: int = 4, **more) -> Tensor:
    latent = {"samples": torch.zeros(samples, 4, *canvas) if isinstance(samples, int) else samples, **more}
    return sample(host.attach(model, *edits, lanes=lanes), 3, steps, 3.0, "euler", "normal", positive or text(1), text(2), latent)["samples"]


def started(model: Model, edits, lanes=None, samples: int = 2, canvas=(8, 12)):
    """A run that has begun, and the first gradient edit of it."""
    denoise = guided(host.attach(model, *edits, lanes=lanes), 3.0, {"positive": text(1), "negative": text(2)}, samples, canvas, torch.tensor([9.0, 5.0, 0.0]))
    run = denoise.run
    run.look = look_of(denoise)
    step = run.step(5.0, run.program.lanes.rows([("positive", 0, None, None)], samples))
    return step, next(edit for edit in run.program.edits if isinstance(edit, GradientEdit))


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


@by_mode
def test_pictures_of_a_batch_are_alone(model, mode):
    together = draw(model, *MODES[mode](), samples=4, batch_index=[0, 1, 2, 3])
    for i in (0, 3):
        alone = draw(model, *MODES[mode](), samples=1, batch_index=[i])
        assert (alone[0] - together[i]).abs().max() < 1e-4 * alone.abs().max()
    assert (together - draw(model, samples=4, batch_index=[0, 1, 2, 3])).abs().amax((1, 2, 3)).min() > 1e-2


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


def test_once_it_is_good_enough_it_is_over(model):
    """The loss of the last step decides whether the next one looks at all; each picture by itself."""
    counts = []
    for threshold in (0.0, 1.0):
        step, edit = started(model, MODES["backward"](threshold=threshold, iterations=3))
        x = guide([edit], noise(2, 4, 8, 12, seed=4) * 5, step)
        guide([edit], x, step)
        counts.append(step.run.memory[LOOKS][step.number])
    assert counts == [6, 1]


@by_mode
def test_looks_are_no_part_of_the_picture(model, mode, caplog):
    """Attention maps count the picture's own evaluations; what looks cost is told at the end."""
    counts = []
    for edits in ((), MODES[mode]()):
        watch, maps = attention_maps([("word", (4,))])
        with caplog.at_level(logging.INFO):
            draw(model, watch, *edits)
        counts.append({grid: often for grid, (_, often) in maps.found.items()})
    assert counts[0] == counts[1] and "more evaluations with gradients" in caplog.text and "of 4 steps" in caplog.text


@by_mode
def test_a_mask_keeps_the_rest(model, mode):
    picture, mask = noise(2, 4, 8, 12, seed=7), torch.zeros(1, 1, 64, 96)
    mask[..., :48] = 1
    made = draw(model, *MODES[mode](), noise_mask=mask, samples=picture)
    assert torch.allclose(made[..., 6:], picture[..., 6:], atol=1e-5)
    assert (made - draw(model, noise_mask=mask, samples=picture)).abs().max() > 1e-3


def test_the_prompt_that_has_the_words_is_found(model):
    """The first one, another by number, or the one that is marked; none is an error."""
    by = lambda positive, **how: draw(model, *MODES["backward"](**how), positive=positive)
    two = text(1) + text(3)
    assert not torch.equal(by(two), by(two, entry=1))
    assert torch.equal(by(text(1) + text(3, **{WORDS: "these"}), mark="these"), by(two, entry=1))
    for how, said in (({"entry": 2}, "no prompt that has them"), ({"aims": ((AIMS[0][0], (77,)),)}, "the prompt at .* has 77"),
                      ({"layers": frozenset({99})}, "none of the layers")):
        with pytest.raises(ConcordError, match=said):
            by(two, **how)


def test_without_a_sampler_it_says_so(model):
    step, edit = started(model, MODES["backward"]())
    step.run.look = None
    with pytest.raises(ConcordError, match="sampler"):
        edit.change(noise(2, 4, 8, 12), step)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@by_mode
def test_half_precision(mode, dtype):
    made = {}
    for kind in (torch.float32, dtype):
        step, edit = started(Model(unet().to(kind), latent=LatentFormat(scale=1.0)), MODES[mode]())
        made[kind] = move([(Tries.of(edit, step), (0, 1))], noise(2, 4, 8, 12, seed=4) * 5, step)
    assert made[dtype].dtype == torch.float32
    assert torch.cosine_similarity(made[dtype].flatten(1), made[torch.float32].flatten(1)).min() > 0.97


class Even(diffusers.DDIMScheduler):
    """DDIM over four timesteps at even distances, as the authors' step sizes fall."""

    TIMES = (999, 666, 333, 0)

    def set_timesteps(self, *_, **__) -> None:
        self.timesteps, self.num_inference_steps = torch.tensor(self.TIMES), 3  # 1000 // 3 is how far it steps


def test_attend_and_excite_draws_what_diffusers_draws():
    """Over a whole run of its own pipeline, which refines in two of the steps."""
    levels = dict(block_out_channels=(32, 64, 64), layers_per_block=1, down_block_types=(CROSS,) * 3, up_block_types=("CrossAttnUpBlock2D",) * 3)
    network = fill(diffusers.UNet2DConditionModel(**levels, cross_attention_dim=64, attention_head_dim=4, sample_size=16), 0)
    scheduler = Even(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=True)
    pipe = diffusers.StableDiffusionAttendAndExcitePipeline(vae=None, text_encoder=None, tokenizer=None, unet=network, scheduler=scheduler, safety_checker=None,
                                                            feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    model = Model(network, latent=LatentFormat(scale=1.0))
    start = noise(1, 4, 16, 16, seed=5)
    said = {"prompt_embeds": text(1)[0][0], "negative_prompt_embeds": text(2)[0][0]}
    theirs = pipe(None, **said, token_indices=[2, 5], guidance_scale=3.0, num_inference_steps=4, max_iter_to_alter=3, thresholds={0: 0.3, 1: 0.9},
                  attn_res=(4, 4), height=128, width=128, latents=start, output_type="latent").images
    edits = attend_and_excite([(AIMS[0][0], (2,)), (AIMS[1][0], (5,))], window=(0.0, 0.9), thresholds=((0.0, 0.3), (0.3, 0.9)))
    sigmas = torch.tensor([model.sampling.sigma(torch.tensor(float(t))) for t in Even.TIMES] + [0.0])
    ours = {}
    for name, used in (("guided", edits), ("plain", ())):
        denoise = guided(host.attach(model, *used), 3.0, {"positive": text(1), "negative": text(2)}, 1, (16, 16), sigmas)
        ours[name] = walked(denoise, start * (1 + sigmas[0] ** 2) ** 0.5, sigmas)
    assert (ours["guided"] - theirs).abs().max() < 1e-4 * theirs.abs().max()
    assert (ours["plain"] - theirs).abs().max() > 1e-2 * theirs.abs().max()


def walked(denoise, x: Tensor, sigmas: Tensor) -> Tensor:
    """Euler steps, which are DDIM's."""
    from concord.hosts.diffusers.guidance import Followed
    from concord.hosts.diffusers.samplers import euler
    from concord.processors.stepping import Stepper

    stepper, denoise.run.look = Stepper(denoise.run), look_of(denoise)
    with torch.no_grad():
        return stepper.leave(euler(Followed(denoise, stepper), x, sigmas, lambda *_: torch.zeros(1), lambda *_: None))
