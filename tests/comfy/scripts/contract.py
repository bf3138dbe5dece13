"""What every technique keeps, alone and with all others: neutral is nothing, order is nothing, no trace is left."""
import copy
import sys
import types

import comfy.model_management
import torch
from concord.hosts.comfy import host
from concord.processors.attention.style_aligned import reference_lane, style_aligned
from technique_rows import compatible
from techniques import QUICK, STYLE, TECHNIQUES, WINDOWS, assert_differs, assert_same, everything, model, plain, run


def check_neutral_is_nothing():
    expected = run(plain())
    for technique in TECHNIQUES:
        assert torch.equal(run(technique.neutral(plain())), expected), technique.name


def check_never_active_is_nothing():
    """The wrappers alone, with a program whose edits never act."""
    assert torch.equal(run((host.attach(model(), *style_aligned(window=(0.5, 0.5)), lanes=reference_lane()), *plain()[1:])), run(plain()))


def check_effects(thorough=False):
    without = run(plain(), steps=2)
    for technique in TECHNIQUES if thorough else QUICK:
        for settings in (technique.typical, technique.other) if thorough else (technique.typical,):
            assert_differs(run(settings(plain()), steps=2), without, technique.name)


def check_reference_unchanged():
    """StyleAligned leaves the reference's own image as it is."""
    assert_same(run(STYLE.typical(plain()))[0], run(plain())[0], 1e-5)


def check_order_of_nodes():
    backward = plain()
    for technique in reversed(compatible(QUICK)):
        backward = technique.typical(backward)
    assert torch.equal(run(everything(plain())), run(backward))


def check_same_content_twice():
    """Statistics and windows may be set once only; set twice to the same, they are set once."""
    assert torch.equal(run(WINDOWS.typical(WINDOWS.typical(plain()))), run(WINDOWS.typical(plain())))


def check_a_b_a():
    first = run(everything(plain()), steps=3)
    run(plain(), steps=3)
    assert torch.equal(run(everything(plain()), steps=3), first)


def check_clone_chains():
    """A later node's edits do not reach the model it was given; clones and deep copies carry the program."""
    one = STYLE.typical(plain())
    expected = run(one)
    both = WINDOWS.typical(one)
    assert_differs(run(both), expected)
    assert torch.equal(run(one), expected)
    assert torch.equal(run((one[0].clone().clone(), *one[1:])), expected)
    copied = one[0].clone()
    copied.model_options = copy.deepcopy(copied.model_options)
    assert torch.equal(run((copied, *one[1:])), expected)


def check_interruption():
    """A run that is cancelled half way leaves nothing behind."""
    setup = everything(plain())
    expected = run(setup, steps=3)
    calls = []

    def cancel(executor, *args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            comfy.model_management.interrupt_current_processing()
            comfy.model_management.throw_exception_if_processing_interrupted()
        return executor(*args, **kwargs)

    cancelled = setup[0].clone()
    cancelled.add_wrapper_with_key("diffusion_model", "cancel", cancel)
    try:
        run((cancelled, *setup[1:]), steps=3)
        raise AssertionError("was not interrupted")
    except comfy.model_management.InterruptProcessingException:
        pass
    assert torch.equal(run(setup, steps=3), expected)
    assert not [key for key in setup[0].model_options["transformer_options"] if "session" in key or "call" in key]


def surroundings() -> dict[tuple[str, str], object]:
    """Every function and class attribute of the host's modules, and every weight of the model, by name."""
    found: dict[tuple[str, str], object] = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] not in ("comfy", "nodes", "comfy_extras", "comfy_api") or module is None:
            continue
        for key, value in vars(module).items():
            if isinstance(value, types.FunctionType):
                found[name, key] = value
            elif isinstance(value, type) and value.__module__ == name:
                found |= {(f"{name}.{key}", attribute): item for attribute, item in vars(value).items()}
    return found


def check_no_trace():
    run(plain())
    before, weights = surroundings(), {key: weight.clone() for key, weight in model().model.state_dict().items()}
    inside = {id(part): {key for key in vars(part) if not key.startswith("_")} for part in model().model.modules()}
    run(everything(plain()))
    after = surroundings()
    changed = [key for key in before if after.get(key) is not before[key]]
    assert not changed, changed
    assert all(torch.equal(weight, weights[key]) for key, weight in model().model.state_dict().items())
    assert all({key for key in vars(part) if not key.startswith("_")} == inside[id(part)] for part in model().model.modules())
