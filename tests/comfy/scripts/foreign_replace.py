"""Other packs' replace functions, placed before and after ours: nothing is lost, and an identity changes nothing beyond rounding."""
import comfy.ldm.modules.attention
import torch
from concord.hosts.comfy import host
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from techniques import (
    QUICK,
    STYLE,
    AddTokens,
    alone_or_together,
    assert_differs,
    assert_same,
    before_and_after,
    hooked,
    latent,
    model,
    ours,
    ours_alone,
    plain,
    run,
)

BLOCKS = [("input", n) for n in (1, 2, 4, 5, 7, 8)] + [("middle", 0)] + [("output", n) for n in range(3, 12)]


def identity(q, k, v, extra):
    return comfy.ldm.modules.attention.optimized_attention(q, k, v, heads=extra["n_heads"], transformer_options=extra)


def louder(q, k, v, extra):
    """A foreign function with an effect: more of what attention gives, and a bit of its own."""
    return 1.3 * identity(q, k, v, extra) + 0.2 * q


class Chain:
    """IP-Adapter packs' convention: an object with `.add`, to which later nodes of theirs append."""

    def __init__(self):
        self.extra = []

    def add(self, function):
        self.extra.append(function)

    def __call__(self, q, k, v, extra):
        return sum((function(q, k, v, extra) for function in self.extra), identity(q, k, v, extra))


def replacing(slot: str, function, deep: bool = False):
    def hook(patcher):
        for block in BLOCKS:
            getattr(patcher, f"set_model_{slot}_replace")(function, *block, *([0] if deep else []))
    return hook


def check_identity_replace(thorough=False):
    expected = ours_alone()
    for slot in ("attn1", "attn2"):
        for deep in (False, True)[: 1 + thorough]:
            for samples in before_and_after(replacing(slot, identity, deep)):
                assert_same(samples, expected, 1e-5)


def check_replace_with_effect():
    """Before or after ours is the same, and it is neither ours alone nor theirs alone."""
    for slot in ("attn1", "attn2"):
        below, above = before_and_after(replacing(slot, louder))
        assert_same(below, above, 1e-6)
        assert_differs(below, ours_alone())
        assert_differs(below, hooked(replacing(slot, louder)))


def check_replace_that_chains():
    """A later node of the other pack finds its own object in the slot, not ours, and adds to it."""
    def hook(patcher):
        chain = Chain()
        chain.add(lambda q, k, v, extra: 0.3 * q)
        replacing("attn2", chain)(patcher)

    below, above = before_and_after(hook)
    assert_same(below, above, 1e-6)
    setup = ours(plain())
    assert_differs(below, run(setup))
    assert not setup[0].model_options["transformer_options"].get("patches_replace", {}).get("attn2")


def check_added_terms_stand_on_a_replaced_base():
    """Where we only add a term, the result is the foreign function's plus the term: the naive sum of both effects at one site."""
    term = lambda setup: (host.attach(setup[0], AddTokens(layers=frozenset({0}))), *setup[1:])
    seen = {}

    def spy(name):
        def patch(n, extra):
            if extra["block"] == ("input", 1):
                seen.setdefault(name, n.clone())
            return n
        return patch

    def once(name, hook, apply):
        patcher = model().clone()
        hook(patcher)
        patcher.set_model_attn2_output_patch(spy(name))
        run(apply((patcher, *plain()[1:])))
        return seen[name]

    nothing, unchanged = lambda patcher: None, lambda setup: setup
    base, ours_alone = once("base", nothing, unchanged), once("ours", nothing, term)
    theirs, both = once("theirs", replacing("attn2", louder), unchanged), once("both", replacing("attn2", louder), term)
    assert_same(both - base, (ours_alone - base) + (theirs - base), 1e-4)


def check_two_programs_of_one_pack_in_any_place():
    """Ours, theirs, ours again: the same as ours together."""
    patcher = STYLE.typical(plain())[0].clone()
    replacing("attn2", louder)(patcher)
    between = host.attach(patcher, AddTokens())
    together = host.attach(STYLE.typical(plain())[0], AddTokens())
    replacing("attn2", louder)(together)
    assert torch.equal(run((between, *plain()[1:])), run((together, *plain()[1:])))


def check_every_technique_with_an_identity(thorough=False):
    for technique in alone_or_together(QUICK, thorough):
        below = model().clone()
        replacing("attn1", identity)(below)
        assert_same(run(technique.typical((below, *plain()[1:]))), run(technique.typical(plain())), 1e-5)


def check_batch_of_four():
    setup = (host.attach(model(), *style_aligned(), lanes=reference_lane(2)), *plain()[1:])
    identity_below = model().clone()
    replacing("attn1", identity)(identity_below)
    other = (host.attach(identity_below, *style_aligned(), lanes=reference_lane(2)), *plain()[1:])
    assert_same(run(other, latent(4)), run(setup, latent(4)), 1e-5)
