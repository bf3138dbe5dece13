"""MasaCtrl gives what the authors' controllers gave: at one attention, and in whole pictures."""
from __future__ import annotations

import pytest

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.hosts.diffusers import host  # noqa: E402
from concord.hosts.diffusers.model import LatentFormat, Model  # noqa: E402
from concord.processors.attention.masactrl import masactrl  # noqa: E402
from concord.processors.attention.word_foreground import COARSE  # noqa: E402
from concord.processors.conditions.lanes import roles  # noqa: E402
from concord.processors.edit import Program  # noqa: E402
from concord.processors.probe import WordMaps  # noqa: E402
from concord.processors.rows import Site  # noqa: E402
from concord.processors.run import Run, at_site, attention  # noqa: E402

from . import recorded as r  # noqa: E402

THEIRS = r.recorded("masactrl")
LANES = roles(1, 1)
SITES = Site("cross", 0, "up", r.HEADS, (4, 4)), Site("self", 1, "up", r.HEADS, (4, 4))


def edits(variant: str, window: tuple[float, float], layers: frozenset[int] | None, words: frozenset[int] | None):
    more = {"masks": {"masks": r.masks()}, "words": {"maps": WordMaps(tokens=r.WORDS, layers=words, live=True), "threshold": r.THRESHOLD}}.get(variant, {})
    return masactrl(variant, window, layers, **more)


@pytest.mark.parametrize("variant", r.VARIANTS)
def test_at_one_attention(variant):
    run = Run(Program.of(edits(variant, (0.0, 1.0), None, None), LANES), 2)
    step = run.step(1.0, LANES.rows([(branch, 0, None, None) for branch in ("negative", "positive")], 2))
    for site, inputs in zip(SITES, (r.attention_inputs(keys=7, seed=40), r.attention_inputs(seed=30)), strict=True):
        out = attention(at_site(run.program, site, step), site, step, *inputs)
    assert r.far(out.transpose(1, 2).flatten(2), THEIRS["layers"][variant]) < 1e-10


@pytest.mark.parametrize("variant", r.VARIANTS)
@pytest.mark.parametrize("rows_per_call", (None, 1), ids=("joint", "split"))
def test_whole_pictures(variant, rows_per_call):
    model = Model(r.network(), latent=LatentFormat(scale=1.0), rows_per_call=rows_per_call)
    made = edits(variant, (0.1, 1.0), frozenset(range(r.FIRST_LAYER, 16)), COARSE[16])
    out = r.picture(host.attach(model, *made, lanes=LANES), 2)
    assert r.far(out, THEIRS["pictures"][variant]) < 1e-5
    others = [fingerprint for name, fingerprint in THEIRS["pictures"].items() if name != variant]
    assert min(r.far(out, other) for other in others) > 1e-4
