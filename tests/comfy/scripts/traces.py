"""Nothing is left behind in this host: by no technique, no interruption, no error, no run inside another, and not by many runs."""
import gc

import comfy.model_management
import comfy.sample
import hostkit as kit
import torch
from comfy.model_management import InterruptProcessingException
from concord.hosts.comfy import host
from concord.processors.edit import AttentionEdit, Order
from contract import surroundings
from techniques import TECHNIQUES, everything, latent, model, plain, run

STEPS = 3


def inside() -> dict:
    """What every part of the network has of its own, and a copy of its weights."""
    parts = {name: sorted(vars(part)) for name, part in model().model.named_modules()}
    return {"parts": parts, "hooks": [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model().model.modules()]}


def check_every_technique_alone():
    run(plain())
    around, within, weights = surroundings(), inside(), {key: weight.clone() for key, weight in model().model.state_dict().items()}
    options = repr(model().model_options)
    for technique in TECHNIQUES:
        run(technique.typical(plain()))
        after = surroundings()
        assert not [key for key in around if after.get(key) is not around[key]], technique.name
        assert inside() == within and repr(model().model_options) == options, technique.name
        assert all(torch.equal(weight, weights[key]) for key, weight in model().model.state_dict().items()), technique.name


def check_interruption_at_every_step():
    setup = everything(plain())
    expected, without = run(setup, steps=STEPS), run(plain(), steps=STEPS)
    for last in range(STEPS):
        assert stopped(setup, last), last
    assert torch.equal(run(setup, steps=STEPS), expected) and torch.equal(run(plain(), steps=STEPS), without)
    assert not [key for key in setup[0].model_options["transformer_options"] if "session" in key or "call" in key]


def stopped(setup, last: int) -> bool:
    """Whether a run was cancelled after step `last`."""

    def cancel(step, *_):
        if step == last:
            comfy.model_management.interrupt_current_processing()
            comfy.model_management.throw_exception_if_processing_interrupted()

    try:
        sample(setup, cancel)
    except InterruptProcessingException:
        return True
    return False


class Breaks(AttentionEdit):
    """An edit with a mistake in it, which shows at one site in the middle of the network."""

    technique, order, kind, layers = "Breaks", Order.OUTPUT, "cross", frozenset({7})

    def finish(self, out, plan, site, step, attend):
        raise ZeroDivisionError("an edit with a mistake")


def check_an_error_inside_an_edit():
    setup = everything(plain())
    expected, around, within = run(setup), surroundings(), inside()
    try:
        run((host.attach(setup[0], Breaks()), *setup[1:]))
        raise AssertionError("the mistake was swallowed")
    except ZeroDivisionError:
        pass
    after = surroundings()
    assert torch.equal(run(setup), expected) and inside() == within
    assert not [key for key in around if after.get(key) is not around[key]]


def check_a_run_inside_another():
    """Of another model: the host itself cannot begin a second run of one that is being run."""
    second = (kit.unet(), *plain()[1:])
    setup, others = everything(plain()), [technique.other(second) for technique in TECHNIQUES[:4]]
    expected, apart = sample(setup), [sample(other) for other in others]
    inner = []
    out = sample(setup, lambda step, *_: inner.append([sample(other) for other in others]))
    assert torch.equal(out, expected) and len(inner) == STEPS
    assert all(torch.equal(made, alone) for made, alone in zip(inner[-1], apart, strict=True))


def check_fifty_runs_leave_no_memory_behind(thorough=False):
    """Ten when there is no time."""
    setup = everything(plain())
    for _ in range(3):
        run(setup, cfg=1.0)
    before = held()
    for _ in range(50 if thorough else 10):
        run(setup, cfg=1.0)
    assert held() == before


def held() -> tuple[int, int]:
    """How many tensors there are, and their bytes."""
    gc.collect()
    tensors = [thing for thing in gc.get_objects() if isinstance(thing, torch.Tensor)]
    return len(tensors), sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def sample(setup, callback=None):
    noise = torch.randn(latent().shape, generator=torch.Generator().manual_seed(3))
    return comfy.sample.sample(setup[0], noise, STEPS, 5.0, "euler", "normal", *setup[1:], torch.zeros_like(noise), callback=callback)
