"""The techniques on a network with SDXL's block numbering; the same code makes the runs in every host."""
from __future__ import annotations

from concord.processors.attention.style_aligned import reference_lane, style_aligned
from concord.processors.features.controlnet import ControlResiduals
from concord.processors.prediction.multidiffusion import multidiffusion


def setups(host, model, net, positive, negative, hint) -> dict:
    """name -> (model, positive, negative)"""
    aligned = host.attach(model, *style_aligned(), lanes=reference_lane())
    windows = lambda m: host.attach(m, *multidiffusion((8, 8), (4, 4)))
    controlled = host.apply_control(positive, negative, net, hint, ControlResiduals(strength=0.6, window=(0.0, 0.7)))
    return {"plain": (model, positive, negative), "aligned": (aligned, positive, negative), "windows": (windows(model), positive, negative),
            "controlled": (model, *controlled), "all three": (windows(aligned), *controlled)}


def run(weights: dict, config: dict, control_weights: dict, positive, negative, hint, latent) -> dict:
    import hostkit as kit
    from concord.hosts.comfy import host

    made = setups(host, kit.unet(sdxl=True, weights=weights, **config), kit.control_net(weights=control_weights, **config), positive, negative, hint)
    return {name: kit.sample(*setup, latent) for name, setup in made.items()}
