"""Nodes of the host itself that patch models, before and after ours: both act, in either order."""
from dataclasses import replace

import hostkit as kit
import torch
from comfy_extras import nodes_freelunch, nodes_hypertile, nodes_pag, nodes_perpneg, nodes_sag, nodes_tomesd
from concord.processors.errors import ConcordError
from concord.processors.prediction.multidiffusion import multidiffusion
from techniques import CONTROL, KIT, PICTURE, STYLE, TECHNIQUES, WINDOWS, assert_differs, assert_same, latent, plain, run


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
    guided = with_node(nodes_sag.SelfAttentionGuidance, 0.8, 2.0)
    for technique in (STYLE, CONTROL):
        assert_both_act(technique, guided, latent(1, 16, 16) if technique is CONTROL else latent(2, 16, 16))
    for setup in (WINDOWS.typical(guided(plain())), guided(WINDOWS.typical(plain()))):
        assert_refused(setup, latent(1, 16, 16), "MultiDiffusion", "Self-Attention Guidance", "windows")
    assert torch.equal(run(WINDOWS.neutral(guided(plain())), latent(1, 16, 16)), run(guided(plain()), latent(1, 16, 16)))


def assert_refused(setup, canvas, *said: str):
    """In one line that says all this."""
    try:
        run(setup, canvas)
    except ConcordError as error:
        assert all(part in str(error) for part in said) and "\n" not in str(error), error
    else:
        raise AssertionError("was accepted")


def check_merged_tokens():
    """ToMe: fewer tokens inside self-attention than the picture has. What must know their places there is refused by name."""
    merged = with_node(nodes_tomesd.TomePatchModel, 0.4)
    for technique in (STYLE, WINDOWS, PICTURE):
        assert_both_act(technique, merged, latent(2, 16, 16))
    masked, copies, mutual = (technique for technique in TECHNIQUES if technique.name in ("FeatureAdaIN", "PromptToPrompt", "MasaCtrl"))
    assert_both_act(mutual, merged, latent(3, 16, 16))
    for setup, name in ((copies.typical, copies.name), (mutual.other, mutual.name), (masked.other, masked.name)):
        assert_refused(setup(merged(plain())), latent(3, 16, 16), "merged the 256 tokens", name)


def check_perp_neg():
    """Stacks three branches, one of which the edits have no name for."""
    assert_both_act(STYLE, with_node(nodes_perpneg.PerpNeg, kit.conditioning(4), 1.0))


def check_hyper_tile():
    """Puts tiles into the batch inside a block: composes where our sites are not touched, else is refused by name."""
    tiles = with_node(nodes_hypertile.HyperTile, 1, 2, 0, False)
    canvas = latent(2, 16, 16)
    for technique in (WINDOWS, CONTROL, PICTURE):
        assert_both_act(technique, tiles, canvas)
    for setup in (STYLE.typical(tiles(plain())), tiles(STYLE.typical(plain()))):
        assert_refused(setup, canvas, "changed the batch", "StyleAligned", "HyperTile")


def check_fixed_seeds_repeat():
    """All that is above leaves the process as it was."""
    first = run(STYLE.typical(plain()))
    run(with_node(nodes_pag.PerturbedAttentionGuidance, 3.0)(STYLE.typical(plain())))
    assert torch.equal(run(STYLE.typical(plain())), first)
