"""ComfyUI's samplers, followed step by step: a copy of the sampler object whose function sees our model in place of the host's, for one run."""
from __future__ import annotations

from collections.abc import Callable
from copy import copy
from inspect import signature
from typing import Any

from comfy.k_diffusion import sampling as k_diffusion
from comfy.samplers import KSAMPLER
from torch import Tensor

from ...processors.errors import ConcordError
from ...processors.run import Run
from ...processors.stepping import FITS, Stepper, changers, changes_canvas, shared_noise
from .looking import look_of

# these go on from another tensor than the one that they show to the model, or ask at noise levels of their own
NOT_FOLLOWED = frozenset({"uni_pc", "uni_pc_bh2", "dpm_fast", "dpm_adaptive", "sa_solver", "sa_solver_pece", "heunpp2"})
# how often these ask again within a step, some of them at the very sigma of the next one
INNER = {"heun": 1, "exp_heun_2_x0": 1, "exp_heun_2_x0_sde": 1, "dpm_2": 1, "dpm_2_ancestral": 1, "dpmpp_2s_ancestral": 1, "dpmpp_2s_ancestral_cfg_pp": 1,
         "dpmpp_sde": 1, "dpmpp_sde_gpu": 1, "seeds_2": 1, "seeds_3": 2}  # fmt: skip
Function = Callable[..., Tensor]


def follow(sampler: Any, run: Run) -> Any:
    """`sampler`, or a copy of it that does the canvas edits of the run's program and gives targets their source's step noise."""
    steps, givers = changes_canvas(run.program), shared_noise(run.program.lanes, run.samples)
    if not steps and givers is None:
        return sampler
    if not isinstance(sampler, KSAMPLER):
        raise ConcordError(f"{type(sampler).__name__} is no sampler that steps can be told apart in; {FITS}")
    name, options = name_of(sampler.sampler_function), sampler.extra_options
    if steps and name in NOT_FOLLOWED:
        raise ConcordError(f"{changers(run.program)} changes the picture between steps, which the sampler {name} does not allow; {FITS}")
    if givers is not None:
        refuse_own_noise(sampler.sampler_function, name, options)
    followed = copy(sampler)
    own_start = bool(sampler.inpaint_options.get("random"))
    followed.sampler_function = wrapped(sampler.sampler_function, name, Stepper(run, INNER.get(name, 0)) if steps else None, givers, own_start)
    return followed


def name_of(function: Function) -> str:
    name = getattr(function, "__name__", type(function).__name__).removeprefix("sample_").removesuffix("_function")
    return {"unipc": "uni_pc", "unipc_bh2": "uni_pc_bh2"}.get(name, name)


def wrapped(function: Function, name: str, stepper: Stepper | None, givers: tuple[int, ...] | None, fresh_inpaint_noise: bool) -> Function:
    """The sampler's function with the canvas edits of `stepper`, and with noise shared as `givers` say: that of steps, and what a masked run draws afresh."""

    def walk(model: Any, x: Tensor, sigmas: Tensor, extra_args: dict | None = None, callback: Any = None, disable: Any = None, **options: Any) -> Tensor:
        if givers is not None:
            model, index = copy(model), list(givers)
            if fresh_inpaint_noise:
                model.noise = model.noise[index]  # the copy's, for the part that a mask keeps
            if takes_noise(function, name):
                draw = options.get("noise_sampler") or own_noise(name, x, sigmas, (extra_args or {}).get("seed"))
                options["noise_sampler"] = lambda sigma, sigma_next: draw(sigma, sigma_next)[index]
        if stepper:
            stepper.run.look = look_of(model, extra_args or {})
        seen = Followed(model, stepper) if stepper else model
        x = function(seen, x, sigmas, extra_args=extra_args, callback=callback, disable=disable, **options)
        return stepper.leave(x) if stepper else x

    return walk


class Followed:
    """The host's model, as a sampler sees it; each evaluation is told to the stepper first."""

    def __init__(self, model: Any, stepper: Stepper) -> None:
        self._model, self._stepper = model, stepper

    def __call__(self, x: Tensor, sigma: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        self._stepper.enter(x, float(sigma.flatten()[0]))
        return self._model(x, sigma, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def takes_noise(function: Function, name: str) -> bool:
    return "noise_sampler" in signature(function).parameters or name == "dpm_adaptive"  # which hands its options on


def refuse_own_noise(function: Function, name: str, options: dict) -> None:
    """Samplers that draw noise which nobody can hand to them would part a target from its source."""
    if options.get("s_churn") or not (takes_noise(function, name) or (function.__module__ or "").startswith("comfy.")):
        raise ConcordError(f"the sampler {name} draws noise of its own in every step, so that targets could not have their source's; {FITS}")


def own_noise(name: str, x: Tensor, sigmas: Tensor, seed: int | None) -> Callable[[Any, Any], Tensor]:
    """The step noise that this sampler makes where it is given none."""
    levels = sigmas[sigmas > 0]
    if name.startswith("dpmpp") and "_sde" in name and len(levels):
        return k_diffusion.BrownianTreeNoiseSampler(x, levels.min(), levels.max(), seed=seed, cpu="_gpu" not in name)
    return k_diffusion.default_noise_sampler(x, seed=seed)
