"""Masks of the canvas on the tokens of a site: any grid, any view, and finite where they hide everything."""
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from concord.processors.attention.masactrl import MaskedAttention, MutualAttention
from concord.processors.attention.paint_with_words import paint_with_words
from concord.processors.attention.style_aligned import style_aligned
from concord.processors.regions import Region
from concord.processors.rows import Site, View
from concord.processors.run import attention
from concord.tests.engine.table import IMAGE, LEFT, RIGHT, picture_prompt
from concord.tests.engine.toy import DEPTH, GRID, HEADS, QUERIES, Toy, batch, canvas, engine, far, noise, prompts, step_of
from torch.nn.functional import adaptive_avg_pool2d, scaled_dot_product_attention

SELF, CROSS = Toy().sites()[:2]
LIKE = torch.zeros((), dtype=torch.float64)
WIDE = (noise(5, 16, 24) > 0).double()
VIEWS = (View(0, 0, 8, 12, (16, 24)), View(4, 6, 8, 12, (16, 24)), View(12, 20, 8, 12, (16, 24)))


@pytest.mark.parametrize("grid", [(4, 6), (8, 12), (3, 5), (1, 1), (16, 24)])
def test_a_mask_is_averaged_over_each_token(grid):
    on_grid = step_of(batch(1)).mask(RIGHT, replace(SELF, grid=grid), LIKE)
    assert on_grid.shape == (1, 1, grid[0] * grid[1], 1) and on_grid.dtype == torch.float64
    assert far(on_grid.reshape(grid), adaptive_avg_pool2d(RIGHT[None], grid)[0]) < 1e-6


def test_a_mask_keeps_to_the_dtype_of_the_site():
    assert step_of(batch(1)).mask(RIGHT.bool(), SELF, LIKE.half()).dtype == torch.float16


def test_every_row_sees_the_mask_in_its_own_window():
    rows = [row._replace(view=view) for view in VIEWS for row in batch(1, ("positive",))]
    on_grid = step_of(rows).mask(WIDE, SELF, LIKE)
    assert on_grid.shape == (3, 1, QUERIES, 1)
    for got, view in zip(on_grid, VIEWS, strict=True):
        assert far(got.reshape(GRID), adaptive_avg_pool2d(view.crop(WIDE)[None], GRID)[0]) < 1e-6


def test_a_mask_of_another_size_is_first_brought_to_the_canvas():
    rows = [row._replace(view=VIEWS[1]) for row in batch(1, ("positive",))]
    assert far(step_of(rows).mask(WIDE.repeat_interleave(8, 0).repeat_interleave(8, 1), SELF, LIKE), step_of(rows).mask(WIDE, SELF, LIKE)) < 1e-6


def test_windows_in_one_call_equal_a_call_for_each():
    """Masks are cropped, and a giver serves the takers of its own window."""
    edits = [*picture_prompt(IMAGE, 1.0, WIDE), MutualAttention(), *style_aligned()]
    rows = [row._replace(view=view) for view in VIEWS for row in batch(4)]
    together = Toy()(canvas(rows), prompts(rows), engine(step_of(rows, edits)))
    for i in range(len(VIEWS)):
        alone = rows[8 * i : 8 * i + 8]
        assert far(Toy()(canvas(alone), prompts(alone), engine(step_of(alone, edits))), together[8 * i : 8 * i + 8]) < 1e-12


def test_a_mask_is_resized_once_a_run():
    step = step_of(batch(4))
    assert step.mask(RIGHT, SELF, LIKE) is step.mask(RIGHT, SELF, LIKE)


def test_masks_that_follow_each_other_in_memory_are_not_confused():
    step = step_of(batch(1))
    for value in range(20):
        assert step.mask(torch.full((8, 12), value / 4), SELF, LIKE).unique().item() == value / 4


@pytest.mark.parametrize("dtype", (torch.float64, torch.float32, torch.bfloat16, torch.float16))
@pytest.mark.parametrize("source_mask", (torch.zeros_like(LEFT), torch.ones_like(LEFT)), ids=("nothing", "everything"))
def test_hiding_every_key_is_finite(source_mask, dtype):
    q, k, v = (noise(i, 4, HEADS, QUERIES, DEPTH).to(dtype) for i in range(3))
    edit = MaskedAttention(source_mask=source_mask[None], target_mask=LEFT[None])
    out = attention([edit], SELF, step_of(batch(4, ("positive",)), [edit]), q, k, v)
    assert out.dtype == dtype and out.isfinite().all()


@pytest.mark.parametrize("strength", (0.4, -3.0))
def test_a_region_without_strength_paints_nothing(strength):
    q, k, v = noise(1, 4, HEADS, QUERIES, DEPTH), noise(2, 4, HEADS, 7, DEPTH), noise(3, 4, HEADS, 7, DEPTH)
    edit, = paint_with_words([(Region(mask=LEFT, strength=0.0), (2,))], strength)
    out = attention([edit], CROSS, step_of(batch(4, ("positive",)), [edit]), q, k, v)
    assert far(out, scaled_dot_product_attention(q, k, v)) < 1e-12


def test_a_site_says_what_it_is():
    assert str(Site("cross", 7, "up")) == "cross-attention 7 (up)"
