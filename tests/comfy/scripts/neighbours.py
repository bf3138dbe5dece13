"""Nodes of the host itself that patch models, before and after ours: both act, in either order."""
from dataclasses import replace

import hostkit as kit
import torch
from comfy_extras import nodes_freelunch, nodes_hypertile, nodes_pag, nodes_perpneg, nodes_sag, nodes_tomesd
from concord.processors.errors import ConcordError
from concord.processors.prediction.multidiffusion import multidiffusion
from techniques import CONTROL, KIT, STYLE, WINDOWS, assert_differs, assert_same, latent, plain, run


def with_node(node, *settings):
    """setup -> setup with a core node on its model; nodes are old- or new-style, depending on the host."""
    def apply(setup):
        made = node.execute(setup[0], *settings) if hasattr(node, "execute") else node().patch(setup[0], *settings)
        return (made if isinstance(made, tuple) else made.args)[0], *setup[1:]
    return apply


def assert_both_act(technique, theirs, canvas=None, tolerance: float = 1e-5):
    """Either order gives the same, and it is neither of the two alone."""
    below, above = run(technique.typical(theirs(plain())), canvas), run(theirs(technique.typical(plain())), canvas)
    assert_same(below, above, tolerance)
    assert_differs(below, run(technique.typical(plain()), canvas))
    assert_differs(below, run(theirs(plain()), canvas))


def check_free_u():
    for technique in (STYLE, WINDOWS, CONTROL):
        assert_both_act(technique, with_node(nodes_freelunch.FreeU, 1.3, 1.4, 0.9, 0.2), latent(2, 16, 16))


def check_perturbed_attention():
    """Runs the model once more, with its own replace function, inside our run. It acts on 2 x 2 tokens of a random network: hence the scale."""
    large = replace(WINDOWS, typical=KIT.attached(*multidiffusion((16, 16), (8, 8))))  # smaller ones are a single token in the middle of the network
    for technique, canvas in ((STYLE, latent(2, 16, 16)), (large, latent(1, 16, 24)), (CONTROL, latent(2, 16, 16))):
        assert_both_act(technique, with_node(nodes_pag.PerturbedAttentionGuidance, 1e4), canvas)


def check_self_attention_guidance():
    """Records scores in a replace function of the middle block, then runs the negative alone."""
    for technique in (STYLE, CONTROL):
        assert_both_act(technique, with_node(nodes_sag.SelfAttentionGuidance, 0.8, 2.0), latent(1, 16, 16) if technique is CONTROL else latent(2, 16, 16))


def check_merged_tokens():
    """ToMe: fewer tokens inside self-attention than the picture has."""
    assert_both_act(STYLE, with_node(nodes_tomesd.TomePatchModel, 0.4), latent(2, 16, 16))


def check_perp_neg():
    """Stacks three branches, one of which the edits have no name for."""
    assert_both_act(STYLE, with_node(nodes_perpneg.PerpNeg, kit.conditioning(4), 1.0))


def check_hyper_tile():
    """Puts tiles into the batch inside a block: composes where our sites are not touched, else is refused by name."""
    tiles = with_node(nodes_hypertile.HyperTile, 1, 2, 0, False)
    big = latent(2, 32, 32)
    try:
        run(STYLE.typical(tiles(plain())), big)
    except ConcordError as error:
        assert "changed the batch" in str(error) and "\n" not in str(error)
    else:
        raise AssertionError("was accepted")


def check_fixed_seeds_repeat():
    """All that is above leaves the process as it was."""
    first = run(STYLE.typical(plain()))
    run(with_node(nodes_pag.PerturbedAttentionGuidance, 3.0)(STYLE.typical(plain())))
    assert torch.equal(run(STYLE.typical(plain())), first)
