"""Whole sampling runs in ComfyUI, described as data by test_sampling_parity.py."""
import hostkit as kit

import nodes


def run(weights: dict, config: dict, sdxl: bool, control_weights: dict | None, cases: dict) -> dict:
    """-> {name: samples} for cases {name: {positive, negative, latent, controls, settings}}."""
    model = kit.unet(sdxl=sdxl, weights=weights, **config)
    net = kit.control_net(weights=control_weights, **config) if control_weights else None
    return {name: one(model, net, **case) for name, case in cases.items()}


def one(model, net, positive, negative, latent, settings, controls=()):
    positive, negative = conditioning(positive), conditioning(negative)
    for control in controls:
        if control.pop("both", True):
            positive, negative = nodes.ControlNetApplyAdvanced().apply_controlnet(positive, negative, net, **control)
        else:
            positive = nodes.ControlNetApply().apply_controlnet(positive, net, **control)[0]
    return kit.sample(model, positive, negative, latent, **settings)


def conditioning(entries) -> list:
    return [[context, {key: tuple(value) if key == "area" else value for key, value in keys.items()}] for context, keys in entries]
