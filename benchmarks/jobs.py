"""What was asked for, done in one host: every size, then the peers."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import torch

from .measure import measure
from .peers import compare
from .rounds import Clock
from .setups import SETUPS
from .sizes import lacking, sizes

HOSTS = ("headless", "comfyui")
TITLES = {"headless": "Headless (diffusers)", "comfyui": "ComfyUI"}


@dataclass(frozen=True)
class Job:
    """The command line, as both processes know it."""

    sizes: tuple[str, ...]
    only: tuple[str, ...] = ()  # parts of names; (): all
    device: str = "cpu"
    full: bool = False
    rounds: int = 7
    threads: int = 1
    peers_path: str = ""
    peers: bool = True

    def told(self) -> dict[str, Any]:
        return asdict(self)

    def wants(self, name: str) -> bool:
        return not self.only or any(part.lower() in name.lower() for part in self.only)


def do(host: str, job: Job, say: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    """One part for each table, as soon as it is there: {"title", "kind": "setups" | "peers" | "skipped", "rows"}."""
    torch.set_num_threads(job.threads)
    hosting: Any = import_module(f".{host}", __package__)
    clock = Clock(torch.device(job.device), job.threads)
    for size in sizes(job.sizes, job.full, job.device):
        title = f"{TITLES[host]}: {size.title}"
        if short := lacking(size.gib, job.device):
            say(f"SKIPPED: {title}: {short}")
            yield {"title": title, "kind": "skipped", "rows": [short]}
            continue
        if setups := [setup for setup in SETUPS if job.wants(setup.name)]:
            say(title)
            kit = hosting.kit(size, job.device)
            rows = measure(hosting, kit, setups, job.rounds, clock, say)
            yield {"title": title, "kind": "setups", "half": size.dtype.itemsize == 4, "official": size.unet is not None, "sdxl": size.sdxl,
                    "rows": [row.told() for row in rows], "refused": kit.refused}
            del kit  # before the next one is made
    if job.peers and "sd15" in job.sizes:
        yield from compare(host, hosting, job, clock, say)

