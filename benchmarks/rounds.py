"""Times of calls that take turns, so that a machine that drifts drifts for all of them; and what they leave in memory."""
from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from math import inf
from statistics import median
from time import perf_counter, thread_time
from typing import NamedTuple

import torch
from torch import Tensor

BARE = "bare"
MIB = 2**20
TURN, MOST = 1.0, 7  # seconds of a turn, and calls


class Clock:
    """Seconds that a call takes: of this thread's own time where it works alone, else of the wall, with the device waited for."""

    def __init__(self, device: torch.device, threads: int) -> None:
        self.device = device
        self.wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
        self.now = thread_time if device.type == "cpu" and threads == 1 else perf_counter

    def __call__(self, call: Callable[[], object]) -> float:
        self.wait()
        start = self.now()
        call()
        self.wait()
        return self.now() - start


class Times(NamedTuple):
    """Of one call in all rounds."""

    seconds: tuple[float, ...]
    ratios: tuple[float, ...]  # to the mean of the bare calls before and after

    @property
    def typical(self) -> float:
        return median(self.seconds)

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def error(self) -> float:
        """The standard error of `ratio`, from how far the rounds lie apart; of fewer than three nothing is known."""
        if len(self.ratios) < 3:
            return inf
        spread = 1.4826 * median(abs(ratio - self.ratio) for ratio in self.ratios)  # as a deviation
        return 1.2533 * spread / len(self.ratios) ** 0.5


def take_turns(calls: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[Callable[[], object]], float]) -> dict[str, Times]:
    """bare, a, b, ..., bare, a, b, ..., bare: `calls` has BARE and any others. Of short calls a round takes several turns, and keeps the best of each."""
    turns = min(MOST, max(1, round(TURN / clock(calls[BARE]))))
    others = [name for name in calls if name != BARE]

    def best(names: Iterable[str]) -> dict[str, float]:
        swept = [{name: clock(calls[name]) for name in names} for _ in range(turns)]
        return {name: min(times[name] for times in swept) for name in names}

    kept = [best([BARE, *others]) for _ in range(rounds)]
    bare = [times[BARE] for times in kept] + [best([BARE])[BARE]]
    beside = [(before + after) / 2 for before, after in pairwise(bare)] if turns == 1 else bare[:-1]  # short ones stood between each other
    found = {name: tuple(times[name] for times in kept) for name in others}
    ratios = {name: tuple(t / b for t, b in zip(found[name], beside, strict=True)) for name in others}
    return {BARE: Times(tuple(bare), (1.0,) * rounds)} | {name: Times(found[name], ratios[name]) for name in others}


def alive(device: torch.device) -> int:
    """Bytes of all tensors that are alive: on a GPU as its allocator counts them, on the CPU the storages that Python's objects hold."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated(device)
    storages = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), Tensor) and thing.layout == torch.strided and thing.device.type == "cpu":
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())
