"""Guidance by gradients in whole runs: pictures do not get into each other's way, looks leave nothing behind, and what cannot be is said."""
from __future__ import annotations

import logging

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.processors.attention.attention_maps import attention_maps  # noqa: E402
from concord.processors.errors import ConcordError  # noqa: E402
from concord.processors.latents.gradient import LOOKS, guide  # noqa: E402
from concord.processors.rows import WORDS  # noqa: E402

from .guidance_runs import AIMS, MODES, by_mode, draw, started  # noqa: E402
from .sampling_models import noise, text, unet  # noqa: E402


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(unet(), latent=LatentFormat(scale=1.0))


@by_mode
def test_pictures_of_a_batch_are_alone(model, mode):
    together = draw(model, *MODES[mode](), samples=4, batch_index=[0, 1, 2, 3])
    for i in (0, 3):
        alone = draw(model, *MODES[mode](), samples=1, batch_index=[i])
        assert (alone[0] - together[i]).abs().max() < 1e-4 * alone.abs().max()
    assert (together - draw(model, samples=4, batch_index=[0, 1, 2, 3])).abs().amax((1, 2, 3)).min() > 1e-2


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


@by_mode
def test_it_rests_where_its_prompt_is_over(model, mode):
    """A prompt for the first half of the run, another for the second: guidance until then, and as with a window that ends there."""
    halves = text(1, start_percent=0.0, end_percent=0.5) + text(3, start_percent=0.5, end_percent=1.0)
    by = lambda end: draw(model, *MODES[mode](window=(0.0, end)), positive=halves, steps=6)
    assert torch.equal(by(1.0), by(0.5)) and not torch.equal(by(1.0), draw(model, positive=halves, steps=6))
