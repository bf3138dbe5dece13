"""Another pack's function in the place of a site's own attention: what it adds is kept, and nothing of ours is lost."""
from __future__ import annotations

import pytest
import torch
from concord.processors.rows import Site
from concord.processors.run import at_site, attention
from concord.tests.engine.edits_self import Louder, Sharpen
from concord.tests.engine.table import edits
from concord.tests.engine.toy import DEPTH, HEADS, QUERIES, TOKENS, Toy, batch, far, noise, step_of
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

SITES = {site.kind: site for site in Toy().sites()[:2]}
ROWS = batch(4, ("positive",))
CHAINS = [("style",), ("masked", "style"), ("replace", "reweight"), ("regions", "paint", "adapter"), ("adapter", "adapter2"), ()]


def tensors(site: Site) -> tuple[Tensor, Tensor, Tensor]:
    keys = QUERIES if site.kind == "self" else TOKENS
    return noise(1, 4, HEADS, QUERIES, DEPTH), noise(2, 4, HEADS, keys, DEPTH), noise(3, 4, HEADS, keys, DEPTH)


def run(names, site: Site, foreign=None, extra=()) -> Tensor:
    step = step_of(ROWS, (*edits(names), *extra))
    return attention(at_site(step.run.program, site, step), site, step, *tensors(site), foreign=foreign)


@pytest.mark.parametrize("kind", SITES)
@pytest.mark.parametrize("names", CHAINS, ids="+".join)
def test_one_that_does_what_the_model_does_changes_nothing(names, kind):
    site = SITES[kind]
    assert far(run(names, site, lambda: scaled_dot_product_attention(*tensors(site))), run(names, site)) < 1e-12


@pytest.mark.parametrize("kind", SITES)
@pytest.mark.parametrize("names", CHAINS, ids="+".join)
def test_what_it_adds_to_the_model_is_added_to_ours(names, kind):
    site = SITES[kind]
    foreign, plain = noise(9, 4, HEADS, QUERIES, DEPTH), scaled_dot_product_attention(*tensors(site))
    assert far(run(names, site, lambda: foreign), run(names, site) + foreign - plain) < 1e-12


def test_it_is_the_very_base_where_ours_only_add_terms():
    """The model's own attention is then not computed at all."""
    site, asked = SITES["cross"], []

    def attend(q, k, v, bias=None):
        asked.append(k.shape[-2])
        return scaled_dot_product_attention(q, k, v, bias)

    step = step_of(ROWS, edits(("adapter", "adapter2")))
    attention(at_site(step.run.program, site, step), site, step, *tensors(site), attend, foreign=lambda: noise(9, 4, HEADS, QUERIES, DEPTH))
    assert asked == [4, 4]  # image tokens only; the prompt has seven


@torch.no_grad()
@pytest.mark.parametrize("names", [("adapter",), ("adapter", "adapter2")], ids="+".join)
def test_its_tensor_stays_as_it_was(names):
    """Ours are added up in place, theirs may be kept by somebody."""
    foreign = noise(9, 4, HEADS, QUERIES, DEPTH)
    before = foreign.clone()
    assert far(run(names, SITES["cross"], lambda: foreign), before) > 1e-3
    assert torch.equal(foreign, before)


def test_it_is_asked_once():
    calls = []
    run(("masked", "style"), SITES["self"], lambda: calls.append(0) or torch.zeros(4, HEADS, QUERIES, DEPTH, dtype=torch.float64))
    assert len(calls) == 1


def test_functions_of_the_output_see_it_too():
    site, foreign = SITES["cross"], noise(9, 4, HEADS, QUERIES, DEPTH)
    assert far(run((), site, lambda: foreign, [Louder(by=3.0)]), 3 * foreign) < 1e-12


def test_sharper_scores_are_a_temperature():
    q, k, v = tensors(SITES["cross"])
    truth = (1.5 * q @ k.mT / DEPTH**0.5).softmax(-1) @ v
    assert far(run((), SITES["cross"], extra=[Sharpen(by=1.5)]), truth) < 1e-12


def test_the_models_own_tensors_are_not_written():
    site = SITES["self"]
    q, k, v = tensors(site)
    step = step_of(ROWS, edits(("masked", "style", "mixed")))
    attention(at_site(step.run.program, site, step), site, step, q, k, v)
    for given, kept in zip((q, k, v), tensors(site), strict=True):
        assert torch.equal(given, kept)
