"""All about each setup in one host at one size: its time beside the bare model's, the limit, what it asks of the device, and what it keeps."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from concord.processors.errors import ConcordError

from .operations import Asked, record, seconds
from .rounds import BARE, Clock, alive, take_turns
from .setups import WIDER, Kit, Setup
from .sizes import file_bytes
from .steps import Call

SMALL, GUIDED = 8, 4.0  # latent cells, cfg


@dataclass
class Row:
    """One setup. Times are of one model call, a prediction with guidance; numbers of kernels and looks are beyond the bare model's."""

    name: str
    pictures: str
    bare: float  # seconds
    ratio: float  # to the bare model, the median of all rounds
    error: float  # of the ratio, from how far the rounds lie apart
    limit: float | None  # the bare model and what is more of the heavy operations; None where the network itself is asked more often
    work: float | None  # of an image adapter, the limit and the other operations that it adds
    kernels: int
    looks: int  # at device values
    inside: int  # those of them in the midst of the network
    kept: int  # bytes, after two calls
    adapters: int = 0
    file: int = 0  # bytes of an adapter's own weights
    idle: bool = False
    further: int = 0  # evaluations of the network with gradients

    def told(self) -> dict[str, Any]:
        return asdict(self)


def measure(hosting: Any, kit: Kit, setups: Sequence[Setup], rounds: int, clock: Clock, say: Callable[[str], object]) -> list[Row]:
    """hosting: the module `headless` or `comfyui`."""
    rows: list[Row] = []
    fitting = sorted((setup for setup in setups if setup.fits(kit)), key=lambda setup: setup.group)
    for (images, wide), group in groupby(fitting, key=lambda setup: setup.group):
        together = list(group)
        shape = (images, 4, kit.size.cells, int(kit.size.cells * (WIDER if wide else 1)))
        say(f"{kit.size.name}: {', '.join(setup.name for setup in together)}")
        asked = {BARE: kit.asked(images)} | {setup.name: setup.apply(kit, kit.asked(images)) for setup in together}
        network = hosting.network(kit.model)

        def find(calls: Mapping[str, Call], together: list[Setup] = together, network: Any = network) -> list[Row]:
            return compared(calls, together, kit, network, rounds, clock)

        rows += hosting.opened(asked, shape, kit.size.cfg, find)
    for row in rows:
        if row.adapters:
            row.kept = resident(hosting, kit, next(setup for setup in setups if setup.name == row.name), clock)
    return sorted(rows, key=lambda row: [setup.name for setup in setups].index(row.name))


def compared(calls: Mapping[str, Call], setups: Sequence[Setup], kit: Kit, network: Any, rounds: int, clock: Clock) -> list[Row]:
    """Two calls of each to warm up, of which the second is watched; then they take turns."""
    calls[BARE]()
    plain, watched, kept = record(calls[BARE], network), {}, {}
    for setup in setups:
        before = alive(clock.device)
        try:
            calls[setup.name]()
        except ConcordError as error:
            kit.refused.append(f"{setup.name}: {error}")
            continue
        watched[setup.name] = record(calls[setup.name], network)
        kept[setup.name] = alive(clock.device) - before
    times = take_turns({name: call for name, call in calls.items() if name in (BARE, *watched)}, rounds, clock)
    bare = times[BARE].typical
    rows = []
    for setup in (setup for setup in setups if setup.name in watched):
        time, more = times[setup.name], watched[setup.name].beyond(plain)
        limit = None if setup.looks else 1 + extra(watched[setup.name], plain, clock) / bare
        work = limit + seconds(more.light, clock) / bare if limit and setup.adapters == 1 and setup.images == 1 else None
        file = file_bytes(kit.adapter) if setup.adapters else 0
        pictures = f"{setup.images}, {WIDER} x as wide" if setup.wide else str(setup.images)
        rows.append(Row(setup.name, pictures, bare, time.ratio, time.error, limit, work, more.kernels, more.looks, more.inside,
                        kept[setup.name], setup.adapters, file, setup.idle, setup.looks))
    return rows


def resident(hosting: Any, kit: Kit, setup: Setup, clock: Clock) -> int:
    """Bytes that a run keeps after two calls of both branches; as many whatever the picture's size, so of a small one."""

    def find(calls: Mapping[str, Call]) -> int:
        before = alive(clock.device)
        for _ in range(2):
            calls[setup.name]()
        return alive(clock.device) - before

    return hosting.opened({setup.name: setup.apply(kit, kit.asked(setup.images))}, (setup.images, 4, SMALL, SMALL), GUIDED, find)


def extra(watched: Asked, plain: Asked, clock: Callable[[Callable[[], object]], float]) -> float:
    """Seconds of the heavy operations that one call does more than the other, less those that it does no longer."""
    return seconds(watched.heavy - plain.heavy, clock) - seconds(plain.heavy - watched.heavy, clock)
