"""The same runs on the same weights, here and in ComfyUI: samplers, schedules, batches, masks, areas, prompts of any length, ControlNets."""
from __future__ import annotations

from itertools import cycle

import pytest
import torch
from concord.hosts.diffusers.control_net import Control, apply_control
from concord.hosts.diffusers.model import LatentFormat, Model
from concord.hosts.diffusers.sample import sample
from concord.hosts.diffusers.samplers import SAMPLERS
from concord.hosts.diffusers.sigmas import SCHEDULERS

from ..sampling_models import control_net, noise, text, unet
from .versions import version

DEEP = True  # in older hosts: slow
TOLERANCE = 2e-5  # of the largest value
SMALL = dict(channel_mult=[1, 2], num_res_blocks=[1, 1], transformer_depth=[1, 1], transformer_depth_output=[1] * 4)

LARGE = dict(channel_mult=[1, 2, 4], num_res_blocks=[2] * 3, transformer_depth=[0, 0, 1, 1, 2, 2], transformer_depth_output=[0] * 3 + [1] * 3 + [2] * 3,
             transformer_depth_middle=2, num_heads=-1, num_head_channels=16, use_linear_in_transformer=True, adm_in_channels=2816, num_classes="sequential")


def empty(batch: int = 1, h: int = 8, w: int = 8) -> dict:
    return {"samples": torch.zeros(batch, 4, h, w)}


def case(positive=None, negative=None, latent=None, controls=(), **settings) -> dict:
    settings = {"steps": 4, **settings}
    return dict(positive=positive or text(1), negative=negative or text(2), latent=latent or empty(), controls=list(controls), settings=settings)


PICTURE = {"samples": noise(1, 4, 8, 8, seed=5)}
LEFT = torch.zeros(1, 64, 64).index_fill(2, torch.arange(30), 1.0)
BLOB = torch.zeros(1, 64, 64)
BLOB[:, 20:50, 10:40] = 0.8
TWO = text(1, area=(8, 12, 4, 2), strength=1.3) + text(3)
MASKED = text(1, mask=LEFT, mask_strength=0.7) + text(3, mask=1 - LEFT, mask_strength=1.0)

EVERY = {f"{sampler} {scheduler}": case(sampler=sampler, scheduler=scheduler) for sampler in SAMPLERS for scheduler in SCHEDULERS}
CASES = {f"denoise 0.6 {sampler}": case(latent=PICTURE, sampler=sampler, steps=6, denoise=0.6) for sampler in SAMPLERS}
CASES |= {f"batch 4 {sampler}": case(latent=empty(4), sampler=sampler) for sampler in SAMPLERS}
CASES |= {f"noise mask {sampler}": case(latent={**PICTURE, "noise_mask": LEFT[:, None]}, sampler=sampler) for sampler in SAMPLERS}
PLACED = {
    "two positives": case(text(1, strength=0.4) + text(3), text(2)),
    "area": case(text(1, area=(8, 12, 4, 2))),
    "area and whole": case(TWO, latent=empty(2, 16, 20)),
    "area to the edge": case(text(1, area=(64, 64, 5, 3)) + text(3), latent=empty(1, 16, 20)),
    "area in percent": case(text(1, area=("percentage", 0.5, 0.33, 0.25, 0.5)) + text(3), latent=empty(1, 17, 21)),
    "nested areas": case(text(1, area=(6, 6, 2, 2)) + text(3), text(2, area=(12, 14, 1, 1)) + text(4, area=(9, 9, 1, 1)) + text(5), empty(1, 16, 20)),
    "masks": case(MASKED, latent=empty(3, 9, 13)),
    "mask bounds": case(text(1, mask=BLOB, set_area_to_bounds=True, mask_strength=2.0) + text(3), latent=empty(1, 16, 20)),
    "empty mask": case(text(1, mask=BLOB * 0, set_area_to_bounds=True) + text(3), latent=empty(1, 16, 20)),
    "mask and area": case(text(1, mask=LEFT, area=(10, 10, 3, 3)) + text(3), latent=empty(1, 16, 20)),
    "a mask for each image": case(text(1, mask=torch.cat([LEFT, BLOB])) + text(3), latent=empty(2)),
    "prompt schedule": case(text(1, start_percent=0.0, end_percent=0.4) + text(3, start_percent=0.4, end_percent=1.0), steps=6),
    "nothing said": case(text(1, start_percent=0.3), steps=6),
}
CASES |= PLACED | {
    "denoise 0": case(latent=PICTURE, denoise=0.0),
    "many steps": case(steps=23, scheduler="ddim_uniform"),
    "first half": case(latent=PICTURE, steps=6, last_step=3),
    "first half, clean": case(latent=PICTURE, steps=6, last_step=3, force_full_denoise=True),
    "second half": case(latent=PICTURE, steps=6, start_step=3, disable_noise=True),
    "from beyond the end": case(latent=PICTURE, steps=4, start_step=9),
    "odd size": case(latent=empty(2, 9, 13)),
    "batch index": case(latent={**empty(4), "batch_index": [0, 0, 1, 1]}),
    "batch index with gaps": case(latent={**empty(3), "batch_index": [5, 2, 5]}, sampler="euler_ancestral"),
    "soft mask of its own size": case(latent={"samples": noise(3, 4, 9, 13, seed=6), "noise_mask": noise(2, 1, 40, 30).sigmoid()}),
    "cfg 1": case(cfg=1.0),
    "cfg 0": case(cfg=0.0),
    "big seed": case(seed=2**63 + 12345, sampler="dpmpp_2m_sde"),
    "154 and 77 tokens": case(text(1, 154), text(2)),
    "77 and 231 and 154 tokens": case(text(1) + text(3, 231), text(2, 154)),
    "77 and 385 tokens": case(text(1), text(2, 385)),
    "a prompt for each image": case(text(1, samples=3), latent=empty(3)),
    "two prompts for five images": case(text(1, samples=2), latent=empty(5)),
}

HINT = noise(1, 80, 100, 3, seed=7).sigmoid()
ON = dict(image=HINT, strength=0.8, start_percent=0.0, end_percent=1.0)
CONTROLLED = {
    "control": case(controls=[ON]),
    "control, batch and odd size": case(controls=[ON], latent=empty(3, 9, 13)),
    "control on positive": case(controls=[dict(image=HINT, strength=1.2, both=False)]),
    "control for some steps": case(controls=[ON | dict(start_percent=0.2, end_percent=0.6)], steps=6),
    "two controls": case(controls=[ON, ON | dict(image=HINT.flip(1), strength=0.5, end_percent=0.5)], steps=6),
    "a hint for each image": case(controls=[ON | dict(image=torch.cat([HINT, HINT.flip(2)]))], latent=empty(4)),
    "control and areas": case(TWO, controls=[ON], latent=empty(1, 16, 20)),
    "control on positive and areas": case(TWO, controls=[dict(image=HINT, strength=1.2, both=False)], latent=empty(1, 16, 20)),
    "control and tokens": case(text(1, 154), controls=[ON]),
}
WIDE = {
    "pooled text and sizes": case(latent=empty(2, 9, 13)),
    "sizes given": case(text(1, width=640, height=512, crop_w=8, crop_h=16, target_width=320, target_height=256), text(2, width=512, height=512)),
    "areas": case(TWO, latent=empty(1, 16, 20)),
    "sampler": case(sampler="dpmpp_2m_sde", scheduler="karras", steps=6),
    "denoise 0.6": case(latent=PICTURE, steps=6, denoise=0.6),
}


def here(model: Model, net: Control | None, positive, negative, latent, settings, controls=()) -> torch.Tensor:
    for control in controls:
        control = dict(control)
        if control.pop("both", True):
            positive, negative = apply_control((positive, negative), net, *control.values())
        else:
            positive, = apply_control((positive,), net, *control.values(), for_others_too=True)
    settings = {"seed": 1, "steps": 3, "cfg": 5.0, "sampler": "euler", "scheduler": "normal", **settings}
    renamed = dict(sampler="sampler_name", start_step="start_at_step", last_step="end_at_step")
    settings = {renamed.get(name, name): value for name, value in settings.items()}
    settings["leftover_noise"] = not settings.pop("force_full_denoise", False)
    settings["add_noise"] = not settings.pop("disable_noise", False)
    return sample(model, positive=positive, negative=negative, latent=latent, **settings)["samples"]


def compare(in_host, model: Model, cases: dict, config: dict, net=None) -> None:
    theirs = in_host("sampling.py", weights=model.network.state_dict(), config=config, sdxl=model.family == "sdxl",
                     control_weights=net and net.state_dict(), cases=cases)
    ours = {name: here(model, net and Control(net), **one) for name, one in cases.items()}
    worst = {name: float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max()) for name in cases}
    off = {name: value for name, value in worst.items() if not value <= TOLERANCE}
    assert not off, "\n".join(f"{name}: off by {value:.1e} of the largest value" for name, value in off.items())


def draws_alike(comfy, cases: dict) -> dict:
    """Without the ancestral sampler where the host draws its step noise from the very generator of the start noise, as all did before 0.8."""
    return {name: one for name, one in cases.items() if version(comfy) >= (0, 8) or one["settings"].get("sampler") != "euler_ancestral"}


def test_sd1(comfy, in_host):
    each = [f"{sampler} {scheduler}" for sampler, scheduler in zip(cycle(SAMPLERS), SCHEDULERS, strict=False)]
    compare(in_host, Model(unet()), draws_alike(comfy, CASES | {name: EVERY[name] for name in each}), SMALL)


@pytest.mark.slow
def test_every_sampler_with_every_scheduler(comfy, in_host):
    compare(in_host, Model(unet()), draws_alike(comfy, EVERY), SMALL)


def test_one_row_at_a_time(in_host):
    """How many rows fit into a call depends on memory, and changes nothing."""
    compare(in_host, Model(unet(), rows_per_call=1), PLACED, SMALL)


def test_control_nets(in_host):
    network = unet()
    compare(in_host, Model(network), CONTROLLED, SMALL, control_net(network))


def test_sdxl(in_host):
    network = unet(sdxl=True)
    model = Model(network, "sdxl", latent=LatentFormat(scale=0.13025))
    compare(in_host, model, WIDE | {name: CONTROLLED[name] for name in ("control", "control and areas")}, LARGE, control_net(network))
