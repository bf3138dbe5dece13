"""Random chains of up to six techniques: every order of the nodes gives the same bits, split branches the same numbers; what cannot go together is refused in
every order."""
from __future__ import annotations

import pytest
import torch

pytest.importorskip("diffusers", reason="the headless extra is not installed")

from concord.processors.errors import ConcordError  # noqa: E402

from . import techniques as t  # noqa: E402
from .chains_drawn import draw, through  # noqa: E402

ALWAYS, MORE = range(10), range(10, 300)


@pytest.mark.parametrize("seed", [*ALWAYS, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MORE)])
def test_a_chain(seed):
    chain = draw(t.TECHNIQUES, seed)
    run = lambda setup: t.run(setup, chain.samples, chain.canvas, cfg=chain.cfg)
    there, back = through(chain.links, t.plain()), through(chain.other_order, t.plain())
    if chain.clash:
        said = [str(pytest.raises(ConcordError, run, setup).value) for setup in (there, back)]
        assert said[0] == said[1] and "both set" in said[0], (str(chain), said)
        return
    out = run(there)
    assert torch.equal(out, run(back)), str(chain)
    assert t.far(run(t.split(there)), out) < 1e-4, str(chain)
