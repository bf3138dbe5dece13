"""The same run with all entries in one call, as the host likes it, and with each in a call of its own, as when memory is short."""
from __future__ import annotations

import hostkit as kit
from techniques import model, run


class CountedCalls:
    """Counts the rows of each model call."""

    def __init__(self, patcher):
        self.rows = []
        self.patcher = patcher.clone()
        self.patcher.add_wrapper_with_key("diffusion_model", "count", self)

    def __call__(self, executor, x, *args, **kwargs):
        self.rows.append(len(x))
        return executor(x, *args, **kwargs)


def joint_and_split(setup, canvas=None, **settings) -> tuple:
    """The same run as the host likes it, and with every entry in a call of its own, as when memory is short."""
    joint, split = CountedCalls(setup[0]), CountedCalls(setup[0])
    base = split.patcher.model
    together = run((joint.patcher, *setup[1:]), canvas, **settings)
    base.memory_required = lambda *args, **kwargs: 1e18
    try:
        apart = run((split.patcher, *setup[1:]), canvas, **settings)
    finally:
        del base.memory_required
    assert len(split.rows) > len(joint.rows), "the host did not split"
    return together, apart


def prompts(*positives):
    return model(), [entry for positive in positives for entry in positive], kit.conditioning(2)
