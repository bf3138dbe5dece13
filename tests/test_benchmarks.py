"""The benchmarks tell what is there: known work is counted, replayed and set off against the bare model's, and nothing is left out in silence. No clock."""
from __future__ import annotations

from itertools import count

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

pytest.importorskip("diffusers", reason="the headless extra is not installed")
from concord.benchmarks import headless, setups, tables  # noqa: E402
from concord.benchmarks.__main__ import parse  # noqa: E402
from concord.benchmarks.measure import resident  # noqa: E402
from concord.benchmarks.operations import Operation, record, seconds  # noqa: E402
from concord.benchmarks.peers import missing  # noqa: E402
from concord.benchmarks.rounds import BARE, Clock, alive, take_turns  # noqa: E402
from concord.benchmarks.sizes import SIZES  # noqa: E402

WEIGHT, X = torch.randn(6, 4), torch.randn(2, 3, 4)
ROW = {"name": "DecoupledCrossAttn, 4 tokens", "pictures": "1", "bare": 1.0, "ratio": 1.04, "error": 0.001, "limit": 1.05, "work": 1.052, "kernels": 16,
       "looks": 0, "inside": 0, "kept": 2**20, "adapters": 1, "file": 2**20, "idle": False, "further": 0}
PEER = {"name": "p at 512 px", "technique": "t", "pictures": "1", "bare": 1.0, "ours": 1.1, "theirs": 1.3, "share": 1 / 3, "error": 0.0, "faster": 1.2,
        "difference": 0.0, "kernels": (1, 2), "inside": (0, 1), "work": (0.1, 0.3)}


class Looking(nn.Module):
    def forward(self, x):
        return linear(x, WEIGHT) * float(x.flatten()[0])


def test_work_is_counted():
    bare = record(lambda: linear(X, WEIGHT))
    more = record(lambda: [linear(X, WEIGHT) for _ in range(4)] + [X.transpose(1, 2)[0] + 1, float(X.sum())])
    beyond = more.beyond(bare)
    assert (beyond.kernels, beyond.looks, beyond.inside, beyond.heavy.total()) == (3 + 1 + 1, 1, 0, 3), "views are no kernels"
    assert not bare.beyond(bare).heavy and bare.beyond(bare).kernels == 0
    network = Looking()
    seen = record(lambda: (network(X), float(X.sum())), network)
    assert (seen.looks, seen.inside) == (2, 1), "a look in the midst of the network is told apart"
    assert not network._forward_hooks and not network._forward_pre_hooks


def test_operations_are_done_again_as_they_were():
    asked = record(lambda: (linear(X, WEIGHT), linear(X, WEIGHT), X.expand(5, 2, 3, 4).transpose(-1, -2).matmul(X.expand(5, 2, 3, 4))))
    ticks = lambda call: 1.0 if call() is not None else 0.0
    assert seconds(asked.heavy, ticks) == asked.heavy.total() == 3, "each kind as often as it was asked"
    for operation in asked.heavy:
        again = record(operation.again())
        assert list(again.heavy) == [operation], "the same shapes, strides and precision"


@pytest.fixture(scope="module")
def watched():
    """What calls of the practice model ask, with nothing, with what is neutral, and with techniques."""
    kit = headless.kit(SIZES["practice"], "cpu")
    some = [setup for setup in setups.SETUPS if setup.name in ("empty program", "resting program", "DecoupledCrossAttn, 4 tokens", "StyleAligned")]
    asked = {BARE: kit.asked(2)} | {setup.name: setup.apply(kit, kit.asked(2)) for setup in some}

    def find(calls):
        for call in calls.values():
            call()
        return {name: record(call, headless.network(kit.model)) for name, call in calls.items()}

    return headless.opened(asked, (2, 4, 16, 16), 4.0, find)


@pytest.mark.parametrize("name", ("empty program", "resting program"))
def test_what_is_neutral_asks_nothing(watched, name):
    beyond = watched[name].beyond(watched[BARE])
    assert (beyond.kernels, beyond.looks, beyond.inside, beyond.heavy.total()) == (0, 0, 0, 0)


def test_an_adapter_asks_one_attention_a_site(watched):
    more, less = watched["DecoupledCrossAttn, 4 tokens"].heavy - watched[BARE].heavy, watched[BARE].heavy - watched["DecoupledCrossAttn, 4 tokens"].heavy
    keys = [operation.args[1].shape for operation in more.elements()]
    assert not less and len(keys) == 16 and all(shape[2] == 4 for shape in keys), "its keys and values were made in the call before"


def test_what_is_no_longer_done_is_set_off(watched):
    more, less = watched["StyleAligned"].heavy - watched[BARE].heavy, watched[BARE].heavy - watched["StyleAligned"].heavy
    attention = lambda operation: operation.function.overloadpacket.__name__.startswith("_scaled_dot_product")
    assert sum(n for operation, n in less.items() if attention(operation)) == 16 <= sum(n for operation, n in more.items() if attention(operation))


@pytest.mark.parametrize("length", (0.05, 2.0))
def test_a_drift_cancels(length):
    """A machine that grows slower by a thousandth with each call: 1.5 times the bare model's work is told as 1.5."""
    order, work = count(), {"a": 1.5, "b": 1.0, BARE: 1.0}
    times = take_turns({name: lambda name=name: name for name in (BARE, "a", "b")}, 7, lambda call: length * work[call()] * (1 + 0.001 * next(order)))
    assert times["a"].ratio == pytest.approx(1.5, abs=0.005) and times["b"].ratio == pytest.approx(1.0, abs=0.005)
    assert len(times["a"].seconds) == 7 and times["a"].error < 0.002


def test_memory_is_of_storages():
    device = torch.device("cpu")
    before = alive(device)
    held = torch.zeros(2**18)
    views = held.view(2, -1).unbind()
    assert alive(device) - before == 2**20 and len(views) == 2


def test_an_adapter_keeps_its_keys_and_values_once():
    """16 cross-attentions, keys and values, both branches, 16 tokens, 64 channels; what rows are handed is no copy of them."""
    kit = headless.kit(SIZES["practice"], "cpu")
    setup = next(setup for setup in setups.SETUPS if "16 tokens" in setup.name)
    once = 16 * 2 * 2 * 16 * 64 * 4
    assert once <= resident(headless, kit, setup, Clock(torch.device("cpu"), 1)) < 1.2 * once


def test_peers_that_are_not_there_are_named(tmp_path):
    lines = missing("")
    assert len(lines) == 4 and all("https://github.com/" in line and "PEERS_PATH" in line for line in lines)
    (tmp_path / "style_aligned_comfy").mkdir()
    (tmp_path / "style_aligned_comfy" / "__init__.py").touch()
    assert len(missing(str(tmp_path))) == 3 and not any("style_aligned_comfy" in line for line in missing(str(tmp_path)))
    assert tables.document([], lines, "here").count("SKIPPED") == 4


def parts(kind="setups", **row):
    return [{"title": "a host", "kind": kind, "half": True, "official": True, "sdxl": True, "rows": [(PEER if kind == "peers" else ROW) | row]}]


@pytest.mark.parametrize("found", (
    parts(work=1.06), parts(ratio=1.08), parts(inside=1), parts(kept=31 * 2**20), parts(name="empty program", adapters=0, idle=True, ratio=1.03, limit=1.0),
    parts("peers", error=0.1, work=(0.2, 0.3), target=tables.HALF), parts("peers", ours=1.18, share=0.6, target=tables.HALF),
    parts("peers", ours=1.18, share=0.6, faster=1.9, target=tables.TWICE)))
def test_what_misses_its_target_is_told(found):
    assert len(tables.missed(found)) == 1 and "**missed**" in tables.document(found, [], "here")


@pytest.mark.parametrize("found", (parts(), parts(ratio=1.08, error=0.02), parts("peers", target=tables.HALF), parts("peers", faster=2.1, target=tables.TWICE),
                                   parts("peers", ours=1.18, error=0.1, target=tables.HALF),
                                   [{"title": "a host", "kind": "skipped", "rows": ["no memory"]}]))
def test_what_meets_its_target_is_not(found):
    assert not tables.missed(found) and "**missed**" not in tables.document(found, [], "here")


def test_an_operation_is_known_by_what_it_is_given():
    one, other = (next(iter(record(lambda n=n: linear(torch.randn(n, 4), WEIGHT)).heavy)) for n in (2, 3))
    assert isinstance(one, Operation) and one != other


def test_the_command_line_is_checked():
    assert parse([]).size == "practice,sd15" and parse([]).rounds == 7
    for wrong in (["--size", "sd3"], ["--rounds", "0"], ["--host", "forge"]):
        with pytest.raises(SystemExit):
            parse(wrong)
