"""Word maps: what is read is what the model uses, and reading changes nothing. Against probabilities that are written out, in float64."""
from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest
import torch
from concord.processors.errors import ConcordError
from concord.processors.probe import WordMaps
from concord.processors.rows import Row, Site, View
from concord.processors.run import Run, at_site, attention
from concord.tests.engine.table import FADE, LOUD, SWAP, edits, program
from concord.tests.engine.toy import DEPTH, GRID, HEADS, QUERIES, TOKENS, Toy, batch, canvas, engine, far, noise, prompts, step_of
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

CROSS = replace(Toy().sites()[1], level=1)  # two cells a token
ROWS = batch(4, ("positive",))
Q, K, V = noise(1, 4, HEADS, QUERIES, DEPTH), noise(2, 4, HEADS, TOKENS, DEPTH), noise(3, 4, HEADS, TOKENS, DEPTH)
P = (Q @ K.mT / sqrt(DEPTH)).softmax(-1)
MAPS = WordMaps(tokens=((2, 5),))


def site(index: int, grid: tuple[int, int] = GRID) -> Site:
    return replace(CROSS, index=index, grid=grid)


def as_maps(p: Tensor, tokens=(2, 5), grid=GRID) -> Tensor:
    """[R, H, N, M] -> [R, T, h, w]"""
    return p[..., list(tokens)].mean(1).mT.unflatten(-1, grid)


def read(names, probe: WordMaps = MAPS, rows=ROWS, q=Q, k=K, v=V, at: Site = CROSS, run: Run | None = None, foreign=None) -> tuple[Tensor, Run]:
    """What the site gives with these techniques and the probe, and the run."""
    step = step_of(rows, (*edits(names), probe), run=run)
    return attention(at_site(step.run.program, at, step), at, step, q, k, v, foreign=foreign), step.run


def test_maps_of_the_model():
    _, run = read(())
    assert far(MAPS.maps(run)[GRID], as_maps(P)) < 1e-12


def test_maps_after_copies_and_reweighting_are_what_the_model_uses():
    _, run = read(("replace", "reweight", "adapter"))
    target = (P[1] @ SWAP * FADE[1] + P[2] * (1 - FADE[1])) * LOUD
    assert far(MAPS.maps(run)[GRID], as_maps(torch.stack([P[0], P[1], target, P[3]]))) < 1e-12


@pytest.mark.parametrize("names", [(), ("replace",), ("regions", "paint", "adapter")], ids=lambda names: "+".join(names) or "alone")
def test_reading_changes_nothing_to_the_bit(names):
    both = batch(4)
    x, text = canvas(both), prompts(both)
    without = Toy()(x, text, engine(step_of(both, program(names, 4))))
    assert torch.equal(Toy()(x, text, engine(step_of(both, program(names, 4).add([MAPS])))), without)


def test_alone_it_leaves_the_site_to_the_host_or_to_what_stands_there():
    asked = []

    def attend(q, k, v, bias=None):
        asked.append((q is Q, k is K, v is V, bias))
        return scaled_dot_product_attention(q, k, v)

    step = step_of(ROWS, [MAPS])
    attention([MAPS], CROSS, step, Q, K, V, attend)
    assert asked == [(True, True, True, None)]
    foreign = torch.full_like(Q, 2.0)
    assert read((), foreign=lambda: foreign)[0] is foreign and len(asked) == 1


def test_the_mean_over_sites_and_steps_for_each_resolution():
    _, run = read((), at=site(0))
    read((), at=site(1), q=2 * Q, run=run)
    read((), at=site(2, (6, 4)), run=run)
    read((), at=site(0), q=3 * Q, run=run)
    mean = sum((s * Q @ K.mT / sqrt(DEPTH)).softmax(-1) for s in (1, 2, 3)) / 3
    assert far(MAPS.maps(run)[GRID], as_maps(mean)) < 1e-12 and far(MAPS.maps(run)[6, 4], as_maps(P, grid=(6, 4))) < 1e-12


def test_each_sample_asks_its_own_tokens():
    probe = WordMaps(tokens=((1,), (), (3, 4, 0)))
    maps = probe.maps(read((), probe)[1])[GRID]
    assert far(maps[2], as_maps(P, (3, 4, 0))[2]) < 1e-12 and far(maps[[0, 3], :1], as_maps(P, (1,))[[0, 3]]) < 1e-12
    assert not maps[1].any() and not maps[[0, 3], 1:].any()


def test_only_the_branch_the_entry_and_the_lanes_that_are_asked():
    rows = [Row("negative", 0), Row("positive", 0), Row("positive", 0, entry=1), Row("positive", 1)]
    assert far(MAPS.maps(read((), rows=rows)[1])[GRID], as_maps(P[[1, 3]])) < 1e-12
    second = WordMaps(tokens=((2, 5),), entry=1, branches=None)
    found = read((), second, rows=rows)[1]
    assert far(second.maps(found)[GRID][0], as_maps(P)[2]) < 1e-12 and not second.maps(found, "negative")
    marked = WordMaps(tokens=((2, 5),), mark="cat")
    found = read((), marked, rows=[row._replace(words="cat" if row.entry == 1 or row.sample == 1 else "") for row in rows])[1]
    assert far(marked.maps(found)[GRID], as_maps(P[[2, 3]])) < 1e-12


def test_one_sample_in_two_entries_of_a_call_counts_twice():
    probe = WordMaps(tokens=((2, 5),), mark="cat")
    rows = [Row("positive", sample, entry=entry, words="cat") for entry in (0, 1) for sample in (0, 1)]
    assert far(probe.maps(read((), probe, rows=rows)[1])[GRID], as_maps(P[:2] + P[2:]) / 2) < 1e-12


def test_repeated_prompts_are_read_once():
    rows = [Row("positive", 0, tokens=TOKENS), Row("positive", 1, tokens=2 * TOKENS)]
    k = torch.cat([K[:2], torch.stack([K[0], K[2]])], -2)
    truth = torch.stack([P[0], (Q[1] @ k[1].mT / sqrt(DEPTH)).softmax(-1)[..., :TOKENS]])
    assert far(MAPS.maps(read((), rows=rows, q=Q[:2], k=k, v=k)[1])[GRID], as_maps(truth)) < 1e-12


def test_a_token_that_the_prompt_does_not_have_is_refused():
    with pytest.raises(ConcordError, match=f"token 7 of the prompt.*has {TOKENS}"):
        read((), WordMaps(tokens=((7,),)))


def test_windows_lie_where_they_saw_the_canvas():
    """Two windows of 8 x 12 cells, two cells a token, on a canvas of 8 x 18 cells: they share three columns of tokens."""
    views = View(0, 0, 8, 12, (8, 18)), View(0, 6, 8, 12, (8, 18))
    _, run = read((), rows=[Row(view=view) for view in views], q=Q[:2], k=K[:2], v=V[:2])
    left, right = as_maps(P[:2])
    truth = torch.cat([left[..., :3], (left[..., 3:] + right[..., :3]) / 2, right[..., 3:]], -1)
    assert far(MAPS.maps(run)[4, 9][0], truth) < 1e-12


def test_windows_over_the_edge_and_odd_sizes():
    around = View(4, 0, 8, 12, (8, 12))  # the lower half first
    assert far(MAPS.maps(read((), rows=[Row(view=around)], q=Q[:1], k=K[:1], v=V[:1])[1])[GRID][0], as_maps(P)[0].roll(2, -2)) < 1e-12
    odd = View(0, 0, 7, 11, (7, 11))
    assert far(MAPS.maps(read((), rows=[Row(view=odd)], q=Q[:1], k=K[:1], v=V[:1])[1])[GRID][0], as_maps(P)[0]) < 1e-12
    shrunk = View(0, 0, 12, 18, (12, 18))  # another pack made the tokens three cells wide
    assert far(MAPS.maps(read((), rows=[Row(view=shrunk)], q=Q[:1], k=K[:1], v=V[:1])[1])[GRID][0], as_maps(P)[0]) < 1e-12
    between = View(1, 0, 7, 12, (8, 12))  # a window that begins inside a token
    found = MAPS.maps(read((), rows=[Row(view=between)], q=Q[:1], k=K[:1], v=V[:1])[1])[GRID][0]
    p = as_maps(P)[0]
    assert far(found[..., 0, :], p[..., 0, :]) < 1e-12 and far(found[..., 1, :], (p[..., 0, :] + p[..., 1, :]) / 2) < 1e-12


def test_an_area_is_nothing_where_it_is_not():
    area = View(0, 6, 8, 12, (8, 24))
    maps = MAPS.maps(read((), rows=[Row(view=area)], q=Q[:1], k=K[:1], v=V[:1])[1])[4, 12][0]
    assert far(maps[..., 3:9], as_maps(P)[0]) < 1e-12 and not maps[..., :3].any() and not maps[..., 9:].any()


def test_this_prediction_so_far():
    probe = WordMaps(tokens=((2, 5),), live=True)
    _, run = read((), probe, at=site(0))
    step = step_of(ROWS, run=run)
    assert not probe.so_far(step, site(0)) and far(probe.so_far(step, site(1))[GRID], as_maps(P)) < 1e-12
    read((), probe, at=site(1), q=2 * Q, run=run)
    assert far(probe.so_far(step, site(2))[GRID], as_maps(P + (2 * Q @ K.mT / sqrt(DEPTH)).softmax(-1)) / 2) < 1e-12
    run.calls += 1
    assert not probe.so_far(step_of(ROWS, run=run), site(2))


def test_split_calls_read_the_same():
    _, together = read(())
    parts = None
    for i in (2, 0, 3, 1):
        _, parts = read((), rows=ROWS[i : i + 1], q=Q[i : i + 1], k=K[i : i + 1], v=V[i : i + 1], run=parts or Run(together.program, 4))
    assert far(MAPS.maps(parts)[GRID], MAPS.maps(together)[GRID]) < 1e-12


def test_no_device_value_is_looked_at():
    """Tensors without content cannot be looked at."""
    empty = lambda t: t.to("meta")
    views = [Row("positive", i, view=View(0, 2 * i, 8, 12, (8, 18))) for i in range(4)]
    for rows in (ROWS, views):
        read(() if rows is views else ("replace",), WordMaps(tokens=((1, 2), (3,)), live=True), rows=rows, q=empty(Q), k=empty(K), v=empty(V))
