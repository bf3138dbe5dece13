"""A reference of its own beside a panorama (StyleAligned with MultiDiffusion, as the authors' notebook does it): it is as large as one window, goes along
in every window's call, and all windows look at all of it."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.hosts.diffusers.sample import _walk  # noqa: E402
from concord.processors.attention.image_prompt import image_prompt  # noqa: E402
from concord.processors.attention.style_aligned import reference_lane, style_aligned  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.features.controlnet import ControlResiduals  # noqa: E402
from concord.processors.latents.bank import Bank  # noqa: E402
from concord.processors.latents.follow import follow_bank  # noqa: E402
from concord.processors.prediction.multidiffusion import multidiffusion  # noqa: E402
from concord.processors.views import Frame  # noqa: E402

from .contract.techniques import KIT, model  # noqa: E402
from .sampling_models import noise, text  # noqa: E402

SIZE, STRIDE, WIDTH = 8, 4, 20
STARTS = (0, 4, 8, 12)
WINDOWS = multidiffusion((SIZE, SIZE), (STRIDE, STRIDE))
STYLE = style_aligned(group_norm=True, shift=0.3)
SIGMAS = torch.tensor([8.0, 3.0, 0.0])


def draw(edits, x: torch.Tensor, sigmas=SIGMAS, rows: int | None = None, positive=None, negative=None, lanes=reference_lane(), sampler="euler") -> torch.Tensor:
    """From the canvas x [B, 4, h, w] on."""
    with torch.no_grad():
        made = host.attach(Model(model().network, latent=LatentFormat(scale=1.0), rows_per_call=rows), *edits, lanes=lanes)
        branches = {"positive": positive or text(1), "negative": negative or text(2)}
        return _walk(made, sampler, 0, 3.0, branches, torch.zeros_like(x), x / sigmas[0], sigmas, None, None)


def far(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def by_hand(x: torch.Tensor, edits=STYLE) -> torch.Tensor:
    """One whole step: the reference beside each window, alone; windows averaged where they overlap."""
    total, count = torch.zeros_like(x[1:]), torch.zeros(1, 1, 1, WIDTH)
    for start in STARTS:
        pair = torch.cat([x[:1, ..., :SIZE], *x[1:, None, ..., start : start + SIZE]])
        total[..., start : start + SIZE] += draw(edits, pair, SIGMAS[1:])[1:]
        count[..., start : start + SIZE] += 1
    return total / count


@pytest.mark.parametrize("rows", (None, 1), ids=("joint", "split"))
def test_every_window_sees_all_of_the_reference(rows):
    x = 3 * noise(3, 4, SIZE, WIDTH, seed=3)
    out = draw((*STYLE, *WINDOWS, Frame()), x, SIGMAS[1:], rows)
    assert far(out[1:], by_hand(x)) < 1e-4
    assert far(draw((*STYLE, *WINDOWS), x, SIGMAS[1:])[1:], by_hand(x)) > 1e-3


@pytest.mark.parametrize("sampler", ("euler", "dpmpp_2m"))
def test_the_reference_is_as_in_its_single_run(sampler):
    x = 8 * noise(2, 4, SIZE, WIDTH, seed=4)
    out = draw((*STYLE, *WINDOWS, Frame()), x, sampler=sampler)
    alone = draw((), x[:1, ..., :SIZE], sampler=sampler, lanes=None)
    assert far(out[:1, ..., :SIZE], alone) < 1e-5
    assert far(out[:1], torch.cat([alone] * 3, -1)[..., :WIDTH]) < 1e-5  # at the end its canvas repeats it


def test_other_techniques_see_the_frame_on_the_reference():
    """A mask over the canvas is seen through the frame by the reference, through the window by the others."""
    x, mask = 3 * noise(2, 4, SIZE, WIDTH, seed=5), torch.zeros(1, 8 * SIZE, 8 * WIDTH)
    mask[..., : 8 * SIZE // 2] = 1
    prompt = lambda mask: image_prompt(noise(1, 4, 64, seed=6), noise(1, 4, 64, seed=7), weight=0.8, mask=mask)
    out = draw((*STYLE, *WINDOWS, Frame(), *prompt(mask)), x, SIGMAS[1:])
    assert far(out[:1, ..., :SIZE], draw(prompt(mask[..., : 8 * SIZE]), x[:1, ..., :SIZE], SIGMAS[1:])) < 1e-4


def test_without_windows_it_does_nothing():
    x = noise(2, 4, SIZE, WIDTH, seed=8)
    assert torch.equal(draw((*STYLE, Frame()), x), draw(STYLE, x))


def test_a_bank_of_one_window_fills_the_frame():
    x, picture = 8 * noise(2, 4, SIZE, WIDTH, seed=9), noise(3, 1, 4, SIZE, SIZE, seed=10) * torch.tensor([8.0, 3.0, 1.0]).view(3, 1, 1, 1, 1)
    bank = Bank(picture, tuple(SIGMAS.tolist()))
    out = draw((*STYLE, *WINDOWS, Frame(), *follow_bank(bank)), x)
    assert far(out[:1, ..., :SIZE], picture[-1]) < 1e-6
    with pytest.raises(ConcordError, match="the inversion was made at 64 x 64 pixels, this run is at 160 x 64"):
        draw((*STYLE, *WINDOWS, *follow_bank(bank)), x)


def test_what_only_windows_see_is_refused():
    x = noise(2, 4, SIZE, WIDTH, seed=11)
    edits = (*STYLE, *WINDOWS, Frame())
    with pytest.raises(ConcordError, match="no part in conditions with an area"):
        draw(edits, x, positive=text(1) + text(3, area=(8, 8, 0, 4)))
    told = lambda **choices: host.apply_control(text(1), text(2), KIT.control_net(), torch.rand(1, 64, 160, 3), ControlResiduals(strength=0.7, **choices))
    with pytest.raises(ConcordError, match="apply_to_reference off"):
        draw(edits, x, positive=told()[0], negative=told()[1])
    silent = told(lanes=(("reference", 0.0),))
    assert far(draw(edits, x, positive=silent[0], negative=silent[1])[1:], draw(edits, x)[1:]) > 1e-3
