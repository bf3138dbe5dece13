"""Prompt-to-Prompt: the numbers of its authors' formulas (Hertz et al., arXiv 2208.01626) with every probability matrix written out, in float64."""
from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest
import torch
from concord.processors.attention.prompt_to_prompt import CopyLayout, prompt_to_prompt
from concord.processors.attention.word_alignment import refinement, replacement
from concord.processors.conditions.lanes import roles
from concord.processors.edit import Program
from concord.processors.errors import ConcordError
from concord.processors.rows import Site
from concord.processors.run import Run, at_site, attention
from torch import Tensor

from .prompts import prompt

H, N, D, STEPS = 2, 12, 8, 10
SOURCE, TARGETS = prompt("a red skateboarders cat on a hill"), (prompt("a red cat dog on a hill"), prompt("a blue skateboarders labradoodle on the hill"))
LONGER = (prompt("a red fluffy skateboarders cat on a hill at night"), prompt("a cat on a hill"))
CROSS = "default:0-0.8, dog:0-0.4, hill:0.2-0.6"


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def run_of(edits, groups: int = 2, targets: int = 2) -> Run:
    return Run(Program.of(edits, roles(groups, targets)), groups * (1 + targets), progress_of=lambda sigma: round(1 - sigma, 6))


def both(run: Run, kind: str, number: int, tokens: int = 77, grid=(3, 4), branches=("negative", "positive"), level: int = 2):
    """(plain, with the edits, q, k, v) at one site in step `number` of ten."""
    rows = run.program.lanes.rows([(branch, 0, None, None) for branch in branches], run.samples)
    queries = grid[0] * grid[1]
    q, k, v = noise(1, len(rows), H, queries, D), *(noise(n, len(rows), H, tokens if kind == "cross" else queries, D) for n in (2, 3))
    site, step = Site(kind, 0, "down", H, grid, level=level), run.step(1 - number / STEPS, rows)
    return attention((), site, step, q, k, v), attention(at_site(run.program, site, step), site, step, q, k, v), q, k, v


def maps(q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.mT / sqrt(D)).softmax(-1)


def alpha(target, number: int, windows: dict[str, tuple[float, float]]) -> Tensor:
    """The authors' table: windows count in eleven parts for ten steps."""
    inside = lambda start, end: float(int(start * (STEPS + 1)) <= number < int(end * (STEPS + 1)))
    a = torch.full((len(target.ids),), inside(*windows["default"]), dtype=torch.float64)
    for word, window in windows.items():
        for group in target.groups:
            if target.spelled(group) == word:
                a[list(group)] = inside(*window)
    return a


def authors(mode: str, target, number: int, theirs: Tensor, mine: Tensor, loud: dict[str, float]) -> Tensor:
    """theirs, mine: maps [H, N, M] of the source and of the target -> the target's new ones."""
    new = theirs
    if mode == "replace":
        new = theirs @ replacement(SOURCE, target).double()
    elif mode == "refine":
        mapper, there = refinement(SOURCE, target)
        new = theirs[..., mapper] * there + mine * (1 - there)
    for word, factor in loud.items():
        for group in target.groups:
            if target.spelled(group) == word:
                new = new.clone()
                new[..., list(group)] *= factor
    a = alpha(target, number, {"default": (0.0, 0.8), "dog": (0.0, 0.4), "hill": (0.2, 0.6)})
    return new * a + mine * (1 - a)


@pytest.mark.parametrize("number", (0, 2, 3, 5, 7, 9))
@pytest.mark.parametrize("weights", ("", "hill:3, red:-0.5"))
@pytest.mark.parametrize("mode", ("replace", "refine", "reweight"))
def test_the_authors_maps_of_words(mode, weights, number):
    targets = TARGETS if mode != "refine" else LONGER
    cross = CROSS if mode != "refine" else "default:0-0.8, hill:0.2-0.6"
    run = run_of(prompt_to_prompt(SOURCE, targets, mode, 2, cross, weights=weights))
    plain, ours, q, k, v = both(run, "cross", number)
    loud = {"hill": 3.0, "red": -0.5} if weights else {}
    for i in range(12):
        sample, branch = i % 6, i // 6
        if branch == 0 or sample % 3 == 0:
            assert torch.equal(ours[i], plain[i])
        else:
            theirs = maps(q[i - sample % 3], k[i - sample % 3])
            expected = authors(mode, targets[sample % 3 - 1], number, theirs, maps(q[i], k[i]), loud) @ v[i]
            assert (ours[i] - expected).abs().max() < 1e-10


@pytest.mark.parametrize("number", (0, 3, 4, 9))
def test_the_authors_layout(number):
    plain, ours, q, k, v = both(run_of(prompt_to_prompt(SOURCE, TARGETS, "replace", 2)), "self", number)
    for i in range(12):
        lane = i % 3
        expected = maps(q[i - lane], k[i - lane]) @ v[i] if i >= 6 and lane and number < 4 else maps(q[i], k[i]) @ v[i]
        assert (ours[i] - expected).abs().max() < 1e-10


@pytest.mark.parametrize("fraction,levels", ((1 / 64, {3}), (1 / 16, {2, 3}), (1 / 4, {1, 2, 3}), (1.0, {0, 1, 2, 3})))
def test_the_layout_is_copied_in_coarse_layers(fraction, levels):
    edit = CopyLayout(fraction=fraction)
    assert {level for level in range(4) if edit.covers(Site("self", 0, level=level))} == levels


@pytest.mark.parametrize("mode", ("replace", "refine"))
def test_two_chunks(mode):
    """More than 75 words: the tables reach over 154 tokens."""
    source, target = prompt("a very " * 40 + "red cat"), prompt("a very " * 40 + "blue dog")
    run = run_of(prompt_to_prompt(source, (target,), mode, 1, "default:0-1"), 1, 1)
    plain, ours, q, k, v = both(run, "cross", 0, 154, branches=("positive",))
    table = replacement(source, target).double() if mode == "replace" else None
    theirs, mine = maps(q[0], k[0]), maps(q[1], k[1])
    if mode == "refine":
        mapper, there = refinement(source, target)
        expected = theirs[..., mapper] * there + mine * (1 - there)
    else:
        expected = theirs @ table
    assert (ours[1] - expected @ v[1]).abs().max() < 1e-10 and (ours[1] - plain[1]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ("cross", "self"))
@pytest.mark.parametrize("mode", ("replace", "refine", "reweight"))
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64, torch.bfloat16))
def test_a_target_like_its_source_is_its_source_to_the_bit(mode, kind, dtype):
    run = run_of(prompt_to_prompt(SOURCE, (SOURCE, SOURCE), mode, 2, layout=(0.0, 1.0)))
    rows = run.program.lanes.rows([("positive", 0, None, None)], 6)
    one = [noise(n, 2, H, N if kind == "self" or n == 1 else 77, D).to(dtype).repeat_interleave(3, 0) for n in (1, 2, 3)]
    site, step = Site(kind, 0, "down", H, (3, 4), level=2), run.step(1.0, rows)
    assert len(at_site(run.program, site, step)) == (2 if kind == "cross" else 1)
    out = attention(at_site(run.program, site, step), site, step, *one)
    assert torch.equal(out[1], out[0]) and torch.equal(out[2], out[0]) and torch.equal(out[4], out[3]) and torch.equal(out[5], out[3])


def test_an_empty_window_is_neutral():
    assert not Program.of(prompt_to_prompt(SOURCE, TARGETS, "replace", 1, "default:0-0", (0.0, 0.0), weights="hill:3")).edits
    kinds = [type(edit).__name__ for edit in Program.of(prompt_to_prompt(SOURCE, TARGETS, "replace", 1, "default:0-0.5", (0.2, 0.2))).edits]
    assert kinds == ["CopyWords", "CopyWords"]


def test_a_foreign_conditioning_is_left_alone():
    """Another positive beside the node's own has other words; only its self-attention follows the source."""
    run = run_of(prompt_to_prompt(SOURCE, TARGETS, "replace", 2, words="mine"))
    rows = run.program.lanes.rows([("positive", 0, None, None, "mine"), ("positive", 1, None, None, "")], 6)
    q, k, v = noise(1, 12, H, N, D), noise(2, 12, H, 77, D), noise(3, 12, H, 77, D)
    site, step = Site("cross", 0, "down", H, (3, 4)), run.step(1.0, rows)
    plain, ours = attention((), site, step, q, k, v), attention(at_site(run.program, site, step), site, step, q, k, v)
    assert torch.equal(ours[6:], plain[6:]) and not torch.allclose(ours[:6], plain[:6])


def test_text_that_was_joined_afterwards_is_refused():
    run = run_of(prompt_to_prompt(SOURCE, TARGETS, "refine", 2))
    with pytest.raises(ConcordError, match="knows 77 tokens of the prompts, but 154 reach cross-attention 0"):
        both(run, "cross", 0, 154)


def test_targets_need_their_source():
    edits = prompt_to_prompt(SOURCE, TARGETS, "refine", 2)
    run = Run(Program.of(edits, replace(roles(2, 2), roles=roles(2, 2).roles[1:3])), 6, (1.0, 0.0))
    with pytest.raises(ConcordError, match="PromptToPrompt: image 1 of the batch .* has no source"):
        run.check([Site("self", 0, level=2)])


def test_modes():
    with pytest.raises(ConcordError, match="the mode is 'blend'; it is one of replace, refine, reweight"):
        prompt_to_prompt(SOURCE, TARGETS, "blend")
