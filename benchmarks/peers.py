"""The same techniques by others, beside ours in one process on one network with equal weights. Their code is imported from PEERS_PATH, where it is."""
from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from .operations import record, seconds
from .peer_setups import HALF, PEERS, Peer
from .rounds import BARE, Clock, take_turns
from .setups import WIDER
from .sizes import SIZES, lacking, sizes
from .steps import Call

PIXELS = (256, 512)
GIB = 12.0  # what the largest of them takes: whole attention matrices of four rows
OURS, THEIRS = "ours", "theirs"
NAMES = {"headless": "the headless host", "comfyui": "ComfyUI"}


@dataclass
class Beside:
    """Ours and theirs, as ratios to the bare model's call between them."""

    name: str
    technique: str
    pictures: str
    bare: float  # seconds
    ours: float
    theirs: float
    share: float  # our overhead as a part of theirs
    error: float  # of both ratios
    faster: float  # their whole call by ours
    difference: float  # between the two predictions, by the largest of theirs
    kernels: tuple[int, int]  # of ours and theirs, beyond the bare call's
    inside: tuple[int, int]  # looks at device values in layers
    work: tuple[float, float] | None  # seconds of all operations that ours and theirs add, done again; None where they take some off, too
    target: str

    def told(self) -> dict[str, Any]:
        return asdict(self)


def missing(path: str) -> list[str]:
    """One line for each peer that is not there: what has to be put where."""
    where = path or "one folder, and name that in PEERS_PATH"
    return [f"{peer.folder} is not compared with ours: no {peer.file} in its place; put a copy of {peer.source} into {where}, as {peer.folder}"
            for peer in PEERS if not peer.found(path)]


def compare(host: str, hosting: Any, job: Any, clock: Clock, say: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    """The peers of this host that are there and asked for: a table for each size, as soon as it is there."""
    for pixels in PIXELS:
        asked = [peer for peer in PEERS if peer.host == host and peer.found(job.peers_path) and job.wants(f"{peer.folder} at {pixels} px")]
        title = f"Peers in {NAMES[host]}: {SIZES['sd15'].name}, {pixels} px"
        if not asked:
            continue
        if short := lacking(GIB, job.device):
            say(f"SKIPPED: {title}: {short}")
            yield {"title": title, "kind": "skipped", "rows": [short]}
        else:
            kit = hosting.kit(replace(sizes(["sd15"], False, job.device)[0], pixels=pixels), job.device)
            rows = []
            for peer in asked:
                say(f"{peer.folder} at {pixels} px")
                rows.append(beside(hosting, kit, peer, Path(job.peers_path) / peer.folder, job.rounds, clock).told())
            yield {"title": title, "kind": "peers", "rows": rows}
            del kit  # before the next one is made
            gc.collect()


def beside(hosting: Any, kit: Any, peer: Peer, folder: Path, rounds: int, clock: Clock) -> Beside:
    plain = kit.asked(peer.images)
    with hosting.mode():  # in which nodes run
        asked = {BARE: plain, OURS: peer.ours(kit, plain), THEIRS: peer.theirs(folder, kit, plain)}
    shape = (peer.images, 4, kit.size.cells, int(kit.size.cells * (WIDER if peer.wide else 1)))

    def find(calls: Mapping[str, Call]) -> Beside:
        said = {name: call() for name, call in calls.items()}
        watched = {name: record(call, hosting.network(asked[name][0])) for name, call in calls.items()}
        more = [watched[name].beyond(watched[BARE]) for name in (OURS, THEIRS)]
        far = float((said[OURS] - said[THEIRS]).abs().max() / said[THEIRS].abs().max())
        times = take_turns(calls, rounds, clock)
        ours, theirs = times[OURS], times[THEIRS]
        faster = median(b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True))
        work = tuple(seconds(asked.heavy + asked.light, clock) for asked in more) if peer.target == HALF else None
        pictures = f"{peer.images}, {WIDER} x as wide" if peer.wide else str(peer.images)
        share = (ours.ratio - 1) / (theirs.ratio - 1) if theirs.ratio != 1 else float("inf")
        counts = tuple(asked.kernels for asked in more), tuple(asked.inside for asked in more)
        return Beside(f"{peer.folder} at {kit.size.pixels} px", peer.technique, pictures, times[BARE].typical, ours.ratio, theirs.ratio, share,
                      max(ours.error, theirs.error), faster, far, *counts, work, peer.target)

    return hosting.opened(asked, shape, kit.size.cfg, find)
