"""ComfyUI's sampling around our program: the run is made when sampling begins; each prediction learns its entries, and is done through
windows if there are any."""
from __future__ import annotations

from typing import Any

from torch import Tensor

from ...processors.edit import Program
from ...processors.rows import View
from ...processors.views import fuse, views_of
from .session import CALL, PROGRAM, SESSION, Session, new_call, new_session
from .stepping import follow
from .unet import sites
from .windows import cut


def outer_sample(executor, noise, latent_image, sampler, sigmas, *args, **kwargs):
    """Around a whole run: its memory begins and ends here; what cannot compose is refused before the first step."""
    guider = executor.class_obj
    options = guider.model_options["transformer_options"]  # this run's own copy
    program: Program = options[PROGRAM]
    session = new_session(program, guider, len(noise), sigmas)
    session.run.check([site for _, _, site in sites(guider.model_patcher.model.diffusion_model)], tuple(guider.conds))
    sampler = follow(sampler, session.run)
    options[SESSION] = session
    try:
        samples = executor(noise, latent_image, sampler, sigmas, *args, **kwargs)
        session.run.finish()
        return samples
    finally:
        options.pop(SESSION, None)
        for control in session.controls.values():
            control.cleanup()


def calc_cond_batch(executor, model, conds, x, timestep, model_options):
    """Around one prediction: conds, a list of condition dicts per branch; x [B, C, H, W]; gives one prediction per branch."""
    options = model_options.get("transformer_options", {})
    session: Session | None = options.get(SESSION)
    if session is None:
        return executor(model, conds, x, timestep, model_options)
    session.run.calls += 1
    sigma = float(timestep[0])  # the one look at a device value in a prediction
    names = [session.branch(index, branch) for index, branch in enumerate(conds)]

    def predict(view: View | None, crop: Tensor, conds: list[Any]) -> list[Tensor]:
        told = {**model_options, "transformer_options": {**options, CALL: new_call(names, conds, crop, sigma, view)}}
        first = [name == step.leads for name in names]
        if not any(first) or all(first[i] or cond is None for i, cond in enumerate(conds)):
            return executor(model, conds, crop, timestep, told)
        before, after = (executor(model, [cond if leads == now else None for cond, leads in zip(conds, first, strict=True)], crop, timestep, told)
                         for now in (True, False))
        return [a if leads else b for a, b, leads in zip(before, after, first, strict=True)]

    step = session.run.step(sigma, ())
    views = views_of(step, tuple(x.shape[-2:]))
    if not views:
        return predict(None, x, conds)
    return fuse(step, views, x, lambda view, crop: predict(view, crop, [cut(branch, view, session, model, crop.device) for branch in conds]))
