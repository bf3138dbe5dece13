"""ComfyUI's sampling around our program: the run is made when sampling begins; each prediction learns its entries, and is done through
windows if there are any."""
from __future__ import annotations

from typing import Any

from torch import Tensor

from ...processors.edit import Program
from ...processors.errors import ConcordError
from ...processors.strips import Said, Strip, fuse
from ...processors.views import ViewEdit, views_of
from .session import CALL, PROGRAM, SESSION, Session, new_call, new_session
from .stepping import follow
from .unet import sites
from .windows import cut, weight


def outer_sample(executor, noise, latent_image, sampler, sigmas, *args, **kwargs):
    """Around a whole run: its memory begins and ends here; what cannot compose is refused before the first step."""
    guider = executor.class_obj
    options = guider.model_options["transformer_options"]  # this run's own copy
    program: Program = options[PROGRAM]
    session = new_session(program, guider, len(noise), sigmas)
    session.run.noise = noise
    check_self_attention_guidance(program, guider.model_options, tuple(noise.shape[-2:]))
    session.run.check([site for _, _, site in sites(guider.model_patcher.model.diffusion_model)], tuple(guider.conds))
    sampler = follow(sampler, session.run)
    options[SESSION] = session
    try:
        samples = executor(noise, latent_image, sampler, sigmas, *args, **kwargs)
        session.run.finish()
        return samples
    finally:
        options.pop(SESSION, None)
        session.drop(session.controls)


def check_self_attention_guidance(program: Program, options: dict, canvas: tuple[int, int]) -> None:
    """Refuses the host's node of that name under windows: it takes the attention that it saw last for that of the whole picture."""
    windows = any(not view.whole for edit in program.edits if isinstance(edit, ViewEdit) for view in edit.views(canvas))
    if windows and any(str(getattr(function, "__module__", "")).endswith("nodes_sag") for function in options.get("sampler_post_cfg_function", ())):
        raise ConcordError("Self-Attention Guidance looks at the attention of the whole picture, which MultiDiffusion draws in windows; remove one of the two, "
                           "or use Perturbed-Attention Guidance")


def calc_cond_batch(executor, model, conds, x, timestep, model_options):
    """Around one prediction: conds, a list of condition dicts per branch; x [B, C, H, W]; gives one prediction per branch."""
    options = model_options.get("transformer_options", {})
    session: Session | None = options.get(SESSION)
    if session is None:
        return executor(model, conds, x, timestep, model_options)
    session.run.calls += 1
    sigma = float(timestep[0])  # the one look at a device value in a prediction
    names = [session.branch(index, branch) for index, branch in enumerate(conds)]

    def predict(seen: list[Any], x: Tensor) -> list[Tensor]:
        told = {**model_options, "transformer_options": {**options, CALL: new_call(names, seen, x, sigma)}}
        first = [name == step.leads for name in names]
        if not any(first) or all(first[i] or cond is None for i, cond in enumerate(seen)):
            return executor(model, seen, x, timestep, told)
        before, after = (executor(model, [cond if leads == now else None for cond, leads in zip(seen, first, strict=True)], x, timestep, told)
                         for now in (True, False))
        return [a if leads else b for a, b, leads in zip(before, after, first, strict=True)]

    def on_strip(strip: Strip, x: Tensor) -> list[Said]:
        seen = [cut(branch, strip, session, model, x, sigma) for branch in conds]
        return list(zip(predict(seen, x), [weight(branch, x, sigma) if strip.marked else None for branch in seen], strict=True))

    step = session.run.step(sigma, ())
    views = views_of(step, tuple(x.shape[-2:]))
    session.see(views)
    return fuse(step, views, x, on_strip) if views else predict(conds, x)
