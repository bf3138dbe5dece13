"""Random chains of techniques in this host: every order of the nodes gives the same bits; what cannot go together is refused in every order."""
import torch
from chains_drawn import draw, through
from concord.processors.errors import ConcordError
from splits import joint_and_split
from techniques import TECHNIQUES, assert_same, latent, plain, run


def run_chains(first: int, last: int) -> dict:
    """Draws them by their seeds -> how many were drawn and how many refused."""
    refused = 0
    for seed in range(first, last):
        chain = draw(TECHNIQUES, seed)
        canvas = latent(chain.samples, *chain.canvas)
        there, back = (through(links, plain()) for links in (chain.links, chain.other_order))
        if chain.clash:
            assert refusal(there, canvas) == refusal(back, canvas), str(chain)
            refused += 1
            continue
        assert torch.equal(run(there, canvas, cfg=chain.cfg), run(back, canvas, cfg=chain.cfg)), str(chain)
        if seed % 5 == 0:
            assert_same(*joint_and_split(there, canvas, cfg=3.0))
    return {"chains": last - first, "refused": refused}


def refusal(setup, canvas) -> str:
    try:
        run(setup, canvas)
    except ConcordError as error:
        assert "both set" in str(error)
        return str(error)
    raise AssertionError("was not refused")
