"""Windows that share network calls: the same picture, whatever fits into a call, and fewer calls."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host, memory  # noqa: E402
from concord.hosts.diffusers.control_net import Control, apply_control  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import sample  # noqa: E402
from concord.processors.attention.style_aligned import reference_lane, style_aligned  # noqa: E402
from concord.processors.conditions.bootstrapping import bootstrapping, random_latents  # noqa: E402
from concord.processors.conditions.region_branches import Told, dressed, with_regions  # noqa: E402
from concord.processors.features.controlnet import ControlResiduals  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402

from . import sampling_models as networks  # noqa: E402

CANVAS = (8, 20)
MASK = torch.linspace(0, 1, 160)[None].expand(1, 64, -1)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(networks.unet(), latent=LatentFormat(scale=1.0))


def run(model: Model, positive: list, negative: list, samples: int = 1, steps: int = 2) -> torch.Tensor:
    out = sample(model, 0, steps, 3.0, "euler", "normal", positive, negative, {"samples": torch.zeros(samples, 4, *CANVAS)})["samples"]
    assert torch.isfinite(out).all()
    return out


def hint(seed: int) -> torch.Tensor:
    return torch.rand(1, 64, 160, 3, generator=torch.Generator().manual_seed(seed))


def plain(model):
    return model, networks.text(1), networks.text(2)


def masks_and_areas(model):
    return model, [*networks.text(1, mask=MASK), *networks.text(3, tokens=154, area=(8, 9, 0, 7)), *networks.text(4)], networks.text(2)


def controls(model):
    control = Control(networks.control_net(model.network))
    core = apply_control([networks.text(1), networks.text(2)], control, hint(1), 0.8)
    return model, *host.apply_control(*core, Control(networks.control_net(model.network, 5)), hint(2), ControlResiduals(strength=0.7, mask=MASK))


def a_control_in_an_area(model):
    around, inside = networks.text(1), networks.text(3, area=(8, 12, 0, 4))
    return model, [*around, *apply_control([inside], Control(networks.control_net(model.network)), hint(1), 0.8)[0]], networks.text(2)


def lanes(model):
    return host.attach(model, *style_aligned(), lanes=reference_lane()), networks.text(1), networks.text(2)


def regions_on_sdxl(model):
    left = torch.zeros(8, 20)
    left[:, 3:11] = 1
    xl = Model(networks.unet(sdxl=True), "sdxl", latent=LatentFormat(scale=1.0))
    told = Told(left, dressed(networks.text(5, width=512), networks.text(1)), networks.text(6), "a")
    return host.attach(xl, *bootstrapping(["a"], [left], random_latents(1), 0.6)), *with_regions(networks.text(1), networks.text(2), [told])


SAMPLES = {plain: 1, regions_on_sdxl: 1, masks_and_areas: 2, controls: 2, a_control_in_an_area: 1, lanes: 3}
CASES = {case.__name__: (case, samples) for case, samples in SAMPLES.items()}


@pytest.mark.parametrize("case", CASES)
def test_every_size_of_a_call_gives_the_same_picture(model, case):
    make, samples = CASES[case]

    def drawn(per_call: int, rows: int | None = None):
        edited, positive, negative = make(model)
        edited = host.attach(edited, *multidiffusion((8, 8), (4, 4), "cosine", (False, True), jitter=2, per_call=per_call))
        return run(replace(edited, rows_per_call=rows), positive, negative, samples, steps=2 if case == "plain" else 1)

    one = drawn(1)
    for per_call, rows in ((0, None), (0, 1), (3, None), (0, 3 * samples))[: 2 if case == "regions_on_sdxl" else 4]:
        other = drawn(per_call, rows)
        assert float((other - one).abs().max() / one.abs().max()) < 1e-5, (per_call, rows)


@pytest.mark.parametrize(("case", "alone", "together"), [("plain", 4, 1), ("controls", 4, 1)])
def test_windows_share_calls(model, case, alone, together):
    """Four windows, two branches each, one step: hints of a ControlNet are cut row by row, so that they do not keep windows apart."""
    calls = []
    watch = model.network.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
    try:
        for per_call in (1, 0):
            edited, positive, negative = CASES[case][0](model)
            calls.clear()
            run(host.attach(edited, *multidiffusion((8, 8), (4, 4), per_call=per_call)), positive, negative, steps=1)
            assert calls == ([2] * alone if per_call else [8] * together)
    finally:
        watch.remove()


def test_windows_that_a_mask_does_not_touch_are_not_run(model):
    left = torch.zeros(1, 8, 20)
    left[..., :8] = 1
    rows = []
    watch = model.network.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    try:
        edited = host.attach(model, *multidiffusion((8, 8), (4, 4)))
        run(edited, [*networks.text(1), *networks.text(3, mask=left)], networks.text(2), steps=1)
    finally:
        watch.remove()
    assert sum(rows) == 4 + 4 + 2


def test_free_memory_says_how_many_rows_fit(model, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1.5 * 0.01 * 2**20 * 64 * 64 * 4 * 10)
    assert memory.rows_that_fit(model, (64, 64)) == 10 and memory.rows_that_fit(model, (128, 128)) == 2
    assert memory.rows_that_fit(replace(model, rows_per_call=3), (64, 64)) == 3
    monkeypatch.setattr(memory, "free_bytes", lambda device: 0)
    assert memory.rows_that_fit(model, (64, 64)) == 1


def test_free_memory_is_asked_of_the_device():
    assert memory.free_bytes(torch.device("cpu")) > 2**20
