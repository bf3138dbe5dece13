"""Edits of the canvas between steps, in every sampler: done at the right moments, exact where a sampler is single-step, refused by name where it
cannot be followed; targets get their source's step noise. `latents` makes whole runs in every host."""
from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from concord.processors.edit import Canvas, LatentEdit, Program, Stage
from concord.processors.errors import ConcordError
from concord.processors.rows import Lanes
from concord.processors.run import Run

PAIR = Lanes(((0, "source", 0), (1, "target", 0)))
BOTH = ("euler", "ddim", "heun", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde")
SIGMAS = (9.0, 5.0, 2.5, 1.0, 0.3, 0.0)


@dataclass(eq=False)
class Diary:
    id: str = "diary"
    lines: list = field(default_factory=list)


@dataclass(frozen=True, eq=False, kw_only=True)
class Push(LatentEdit):
    """Moves targets by an amount that tells the steps apart."""

    technique, stage, order, taker = "Push", Stage.LATENTS_BEFORE, Canvas.OVERWRITE, "target"
    by: float = 0.1
    diary: Diary = field(default_factory=Diary)

    def change(self, x, step):
        self.diary.lines.append(("before", step.number, step.sigma))
        moved = x.clone()
        moved[list(step.where(self))] += self.by * (step.number + 1) * step.sigma
        return moved


@dataclass(frozen=True, eq=False, kw_only=True)
class Shrink(Push):
    stage, order = Stage.LATENTS_AFTER, Canvas.BLEND

    def change(self, x, step):
        self.diary.lines.append(("after", step.number, step.sigma))
        moved = x.clone()
        moved[list(step.where(self))] *= 1 - self.by * (step.number + 1)
        return moved


def latents(host, encode, sample) -> dict[str, torch.Tensor]:
    """encode(text) -> CONDITIONING; sample(model, positive, negative, latent, cfg, sampler) -> LATENT."""
    model, positive, negative = host.practice_model()[0], encode("a red solid star"), encode("")
    edited = host.attach(model, Push(by=0.1), Shrink(by=0.05), lanes=PAIR)
    latent = {"samples": torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)).repeat(2, 1, 1, 1) * 0.5, "batch_index": [0, 0]}
    masked = latent | {"noise_mask": torch.ones(1, 1, 128, 128).tril()}
    cases = {name: (edited, latent, 4.0, name) for name in BOTH} | {f"{name}, masked": (edited, masked, 4.0, name) for name in ("ddim", "euler_ancestral")}
    cases |= {"cfg 1": (edited, latent, 1.0, "euler"), "shared noise only": (host.attach(model, Push(by=0.0), lanes=PAIR), latent, 4.0, "dpmpp_2m_sde")}
    return {name: sample(m, positive, negative, *rest)["samples"] for name, (m, *rest) in cases.items()}


def in_comfyui() -> dict[str, torch.Tensor]:
    from concord.hosts.comfy import host

    import nodes

    clip = host.practice_model()[1]
    sample = lambda m, positive, negative, latent, cfg, sampler: nodes.common_ksampler(m, 1, 3, cfg, sampler, "normal", positive, negative, latent)[0]
    return latents(host, lambda text: nodes.CLIPTextEncode().encode(clip, text)[0], sample)


def in_diffusers() -> dict[str, torch.Tensor]:
    from concord.hosts.diffusers import host
    from concord.hosts.diffusers.sample import sample as sampled

    clip = host.practice_model()[1]
    sample = lambda m, positive, negative, latent, cfg, sampler: sampled(m, 1, 3, cfg, sampler, "normal", positive, negative, latent)
    return latents(host, lambda text: clip.encode_from_tokens_scheduled(clip.tokenize(text)), sample)


def toy(patcher):
    """What a sampler's function is given, around a denoiser of one line."""
    denoise = lambda x, sigma, **_: torch.tanh(0.7 * x.roll(1, -1) + x / (1 + sigma.view(-1, 1, 1, 1)))
    seen = type("Toy", (), {"__call__": lambda self, x, sigma, **more: denoise(x, sigma)})()
    seen.inner_model = SimpleNamespace(model_patcher=patcher, inner_model=patcher.model)
    seen.noise = torch.zeros(2, 4, 5, 6)
    return seen


def walk(sampler, patcher, x, sigmas):
    with torch.no_grad():
        return sampler.sampler_function(toy(patcher), x, torch.tensor(sigmas), extra_args={"seed": 5}, callback=None, disable=True, **sampler.extra_options)


def check_single_step_samplers_are_exact():
    """Every step a run of its own, with the edits done by hand in between."""
    import hostkit as kit
    from comfy.samplers import sampler_object
    from concord.hosts.comfy.stepping import follow

    patcher, edits = kit.unet(), (Push(), Shrink(by=0.05))
    for name in ("euler", "ddim", "heun", "dpm_2", "exp_heun_2_x0"):
        if name == "exp_heun_2_x0" and not known(name):
            continue
        run = Run(Program.of(edits, PAIR), 2, tuple(torch.tensor(SIGMAS).tolist()))
        start = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(1)) * SIGMAS[0]
        x = start.clone()
        for i in range(len(SIGMAS) - 1):
            step = run.step(run.sigmas[i], PAIR.rows([("positive", 0, None, None)], 2))
            x = edits[1].change(walk(sampler_object(name), patcher, edits[0].change(x, step), SIGMAS[i : i + 2]), step)
        made = walk(follow(sampler_object(name), run), patcher, start.clone(), SIGMAS)
        assert torch.allclose(made, x, rtol=1e-5, atol=1e-5), f"{name}: {(made - x).abs().max()}"


def known(name: str) -> bool:
    from comfy.samplers import KSAMPLER_NAMES
    return name in KSAMPLER_NAMES


def pair(model, name: str, **settings):
    import hostkit as kit
    latent = {"samples": torch.zeros(2, 4, 8, 8), "batch_index": [0, 0]}
    return kit.sample(model, kit.conditioning(1), kit.conditioning(2), latent, sampler=name, **{"steps": 4, **settings})


def check_every_sampler_is_followed_or_refused(thorough=False):
    """Before and after each step, in turn, falling; and a target with its source's prompt is its source to the bit, whatever noise the sampler draws."""
    import hostkit as kit
    from comfy.samplers import SAMPLER_NAMES
    from concord.hosts.comfy import host
    from concord.hosts.comfy.stepping import NOT_FOLLOWED

    model = kit.unet(channel_mult=[1, 2], num_res_blocks=[1, 1], transformer_depth=[1, 1], transformer_depth_output=[1] * 4)
    for name in SAMPLER_NAMES if thorough else ("euler", "heun", "dpmpp_2m_sde", "dpm_2", "uni_pc", "lcm", "ddim"):
        if name.startswith("ar_"):  # of video models
            continue
        diary = Diary()
        edited = host.attach(model, Push(by=0.0, diary=diary), Shrink(by=0.0, diary=diary), lanes=PAIR)
        try:
            made = pair(edited, name)
        except ConcordError as error:
            assert name in NOT_FOLLOWED and name in str(error) and "Push" in str(error) and "\n" not in str(error), f"{name}: {error}"
            continue
        assert name not in NOT_FOLLOWED
        assert [line[:2] for line in diary.lines] == [(when, i) for i in range(4) for when in ("before", "after")], f"{name}: {diary.lines}"
        assert [line[2] for line in diary.lines] == sorted((line[2] for line in diary.lines), reverse=True)
        assert torch.equal(made[0], made[1]), name
        assert torch.allclose(made[0], pair(model, name)[0], rtol=1e-4, atol=1e-4), f"{name} draws other noise than by itself"


def check_step_noise_is_shared_without_canvas_edits():
    """Lanes alone, with an edit of attention that does nothing here: also for samplers that cannot be followed."""
    import hostkit as kit
    from concord.hosts.comfy import host
    from concord.processors.attention.style_aligned import style_aligned

    model = host.attach(kit.unet(), *style_aligned(window=(0.5, 0.5)), lanes=Lanes((*PAIR.roles, (2, "reference", 1))))
    latent = {"samples": torch.zeros(3, 4, 8, 8), "batch_index": [0, 0, 0]}
    for name in ("euler_ancestral", "dpmpp_sde", "dpm_fast", "uni_pc"):
        made = kit.sample(model, kit.conditioning(1), kit.conditioning(2), latent, sampler=name, cfg=1.0)
        assert torch.equal(made[0], made[1]), name
        assert torch.equal(made[0], made[2]) == (name in ("dpm_fast", "uni_pc")), name


def check_foreign_samplers():
    """Those whose steps or noise nobody can know are refused; sampler objects that a node holds are as they were."""
    import comfy.samplers
    import hostkit as kit
    from comfy.k_diffusion.sampling import sample_euler
    from concord.hosts.comfy import host

    model = host.attach(kit.unet(), Push(), lanes=PAIR)
    sigmas, latent = torch.tensor([9.0, 3.0, 1.0, 0.0]), torch.zeros(2, 4, 8, 8)
    run = lambda sampler: comfy.samplers.sample(
        model, latent + 1, kit.conditioning(1), kit.conditioning(2), 3.0, model.load_device, sampler, sigmas, latent_image=latent, seed=1)
    own = type("TheirSampler", (comfy.samplers.Sampler,), {})()
    noisy = comfy.samplers.KSAMPLER(sample_euler, {"s_churn": 1.0})
    unknown = comfy.samplers.KSAMPLER(lambda model, x, sigmas, extra_args=None, callback=None, disable=None: x)
    for sampler, word in ((own, "TheirSampler"), (noisy, "noise of its own"), (unknown, "noise of its own")):
        try:
            run(sampler)
        except ConcordError as error:
            assert word in str(error) and "euler" in str(error), error
        else:
            raise AssertionError("was accepted")
    held = comfy.samplers.ksampler("euler")
    run(held)
    assert held.sampler_function is sample_euler and vars(held).keys() == {"sampler_function", "extra_options", "inpaint_options"}


def check_interruption():
    """A run that is cancelled half way leaves nothing behind."""
    import comfy.model_management
    import hostkit as kit
    from concord.hosts.comfy import host

    model = host.attach(kit.unet(), Push(), Shrink(), lanes=PAIR)
    expected, calls = pair(model, "euler"), []

    def cancel(executor, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise comfy.model_management.InterruptProcessingException
        return executor(*args, **kwargs)

    cancelled = model.clone()
    cancelled.add_wrapper_with_key("diffusion_model", "cancel", cancel)
    try:
        pair(cancelled, "euler")
        raise AssertionError("was not interrupted")
    except comfy.model_management.InterruptProcessingException:
        pass
    assert torch.equal(pair(model, "euler"), expected)
    assert not [key for key in model.model_options["transformer_options"] if "session" in key]
