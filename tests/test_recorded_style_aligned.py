"""StyleAligned gives what google's own code gave: at one attention, at a norm, in the choice of layers, and in whole pictures."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.processors.attention.style_aligned import reference_lane, shared_layers, style_aligned  # noqa: E402
from concord.processors.edit import Program  # noqa: E402
from concord.processors.features.group_norm import norms_shared  # noqa: E402
from concord.processors.rows import Site  # noqa: E402
from concord.processors.run import Run, Step, at_site, attention  # noqa: E402

from . import recorded as r  # noqa: E402

GOOGLE = r.recorded("style_aligned")
SITE = Site("self", 3, "up", r.HEADS, (4, 4))


def edits(**theirs):
    """Our edits for their arguments, at a model with 16 layers."""
    letters = "".join(letter for letter, name, on in (("q", "queries", True), ("k", "keys", True), ("v", "values", False)) if theirs.get(f"adain_{name}", on))
    return style_aligned(theirs.get("share_attention", True), letters, theirs.get("shared_score_scale", 1.0), theirs.get("shared_score_shift", 0.0),
                         layers=shared_layers(16, theirs.get("only_self_level", 0.0)), group_norm=theirs.get("share_group_norm", True),
                         full=theirs.get("full_attention_share", False))


def step(*made) -> Step:
    run = Run(Program.of(made, reference_lane()), r.BATCH)
    return run.step(1.0, run.program.lanes.rows([(branch, 0, None, None) for branch in ("negative", "positive")], r.BATCH))


@pytest.mark.parametrize("name", GOOGLE["layers"])
def test_at_one_attention(name):
    at = step(*edits(**r.STYLES[name]))
    q, k, v = ((r.hidden_states() @ weight.T).unflatten(-1, (r.HEADS, r.DEPTH)).transpose(1, 2) for weight in r.projections().values())
    out = attention(at_site(at.run.program, SITE, at), SITE, at, q, k, v).transpose(1, 2).flatten(2)
    assert r.far(out, GOOGLE["layers"][name]) < 1e-10


def test_at_a_norm():
    with norms_shared(step(*style_aligned(group_norm=True))):
        out = r.group_norm()(r.features())
    assert r.far(out, GOOGLE["norm"]) < 1e-10


@pytest.mark.parametrize("count", (16, 70))
def test_the_same_layers_share(count):
    """Their numbers count in the order in which diffusers lists a network's attentions: down, up, mid."""
    down, mid = {16: (6, 1), 70: (24, 10)}[count]
    order = [*range(down), *range(down + mid, count), *range(down, down + mid)]
    recorded = GOOGLE["switch"][str(count)]
    assert len(recorded) >= 9
    for level, only_self in recorded.items():
        shared = shared_layers(count, float(level))
        assert sorted(set(range(count)) - (set(range(count)) if shared is None else shared)) == sorted(order[i] for i in only_self)


def test_the_order_in_which_diffusers_lists_attentions():
    stages = [name.split("_")[0].split(".")[0] for name in r.network().attn_processors if "attn1" in name]
    assert stages == ["down"] * 6 + ["up"] * 9 + ["mid"]


@pytest.mark.parametrize("level", (0.01, 0.99))
def test_less_than_one_layer_is_none(level):
    """Where the authors' code divides by zero."""
    assert shared_layers(16, level) == (None if level < 0.5 else frozenset())


@pytest.mark.parametrize("name", ["off", *r.STYLES])
def test_whole_pictures(name):
    model = Model(r.network(), latent=LatentFormat(scale=1.0))
    if name != "off":
        model = host.attach(model, *edits(**r.STYLES[name]), lanes=reference_lane())
    out = r.picture(model, r.BATCH)
    assert r.far(out, GOOGLE["pictures"][name]) < 1e-4
    assert name == "off" or r.far(out, GOOGLE["pictures"]["off"]) > 1e-3


@pytest.mark.parametrize("name", [name for name in r.STYLES if name != "full"])
def test_the_reference_is_as_in_its_single_run(name):
    model = Model(r.network(), latent=LatentFormat(scale=1.0))
    together = r.picture(host.attach(model, *edits(**r.STYLES[name]), lanes=reference_lane()), r.BATCH)
    alone = r.picture(model, r.BATCH)
    assert (together[0] - alone[0]).abs().max() / alone[0].abs().max() < 1e-5
    assert (together[1] - alone[1]).abs().max() / alone[1].abs().max() > 1e-3 and torch.isfinite(together).all()
