"""What techniques cost, as tables.

    python -m concord.benchmarks                               practice and SD 1.5 size, in the hosts that are here, with the peers that are here
    python -m concord.benchmarks --size all --out FILE.md      SDXL size too (16 GiB of memory); the tables go to a file as well
    python -m concord.benchmarks --only StyleAligned --size practice --host headless --rounds 3
    python -m concord.benchmarks --device cuda --full          pictures of 512 and 1024 px in half precision

The exit code is 1 where a target is missed. docs/benchmarks.md says what the columns mean. What the engine and the editing techniques take of Python at a
site: `python -m concord.benchmarks.engine`, `python -m concord.benchmarks.editing`.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from .jobs import HOSTS, Job, do
from .peers import PEERS, missing
from .rounds import MOST
from .setups import SETUPS, SIGMAS
from .sizes import SIZES
from .tables import document, missed

HERE = Path(__file__).parent
ROUNDS = (len(SIGMAS) - 8) // MOST - 1  # that a run has steps for


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    say = lambda line: sys.stderr.write(f"{line}\n") and sys.stderr.flush()
    only = tuple(part.strip() for part in options.only.split(",")) if options.only else ()
    asked = tuple(SIZES) if options.size == "all" else tuple(options.size.split(","))
    job = Job(asked, only, options.device, options.full, options.rounds, options.threads, os.environ.get("PEERS_PATH", ""), options.peers)
    found: list[dict] = []
    absent = missing(job.peers_path) if job.peers else []

    def keep(parts: Iterable[dict]) -> None:
        for part in parts:
            found.append(part)
            if options.out:
                options.out.write_text(document(found, absent, about(job)), encoding="utf-8")

    broken = 0
    for name in HOSTS if options.host is None else [options.host]:
        if name == "headless":
            keep(do("headless", job, say))
        elif comfy := host_folder(asked=options.host is not None, say=say):
            parts, broken = in_comfyui(comfy, job)
            keep(parts)
    sys.stdout.write(document(found, absent, about(job)))
    for line in absent:
        say(f"SKIPPED: {line}")
    if broken:
        say(f"FAILED: the process in ComfyUI ended with exit code {broken}; the tables hold what it had found until then")
    return int(bool(broken or missed(found)))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m concord.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", choices=HOSTS, help="one host; all that are here")
    parser.add_argument("--size", default="practice,sd15", help=f"some of {', '.join(SIZES)}, or all (%(default)s)")
    parser.add_argument("--only", metavar="NAME,...", help=f"setups and peers whose names hold one of these; setups: {'; '.join(s.name for s in SETUPS)}; "
                                                           f"peers: {', '.join(p.folder for p in PEERS)}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(%(default)s)")
    parser.add_argument("--full", action="store_true", help="pictures of 512 px (SD 1.5) and 1024 px (SDXL)")
    parser.add_argument("--rounds", type=int, default=7, help="(%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (%(default)s)")
    parser.add_argument("--no-peers", dest="peers", action="store_false", help="nothing but our own setups")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="the tables, also into this file")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.size.split(",") if name not in (*SIZES, "all")]:
        parser.error(f"there is no size {unknown[0]!r}; take some of {', '.join(SIZES)}, or all")
    if not 1 <= options.rounds <= ROUNDS:
        parser.error(f"--rounds takes 1 to {ROUNDS}")
    return options


def host_folder(asked: bool, say: Callable[[str], object]) -> Path | None:
    """The newest ComfyUI that the tests would find."""
    from concord.tests.comfy.conftest import MISSING, find_hosts
    from concord.tests.comfy.versions import version

    newest = max(find_hosts(), key=version, default=None)
    if newest is None:
        if asked:
            raise SystemExit(MISSING)
        say(f"SKIPPED: ComfyUI: {MISSING}")
    return newest


def in_comfyui(comfy: Path, job: Job) -> tuple[list[dict], int]:
    """The same in the host's own Python: what it found, and the exit code of its process."""
    from concord.tests.comfy.conftest import clean_environment, host_python

    with tempfile.TemporaryDirectory() as folder:
        command = [host_python(comfy), str(HERE / "in_comfyui.py"), str(comfy), str(HERE.parent), folder, json.dumps(job.told())]
        done = subprocess.run(command, env=clean_environment() | {"OMP_NUM_THREADS": str(job.threads)}, cwd=folder)
        found = Path(folder) / "found.json"
        return json.loads(found.read_text()) if found.is_file() else [], done.returncode


def about(job: Job) -> str:
    where = torch.cuda.get_device_name() if job.device == "cuda" else f"{processor()}, {job.threads} thread{'s' * (job.threads > 1)}"
    return f"{where}; torch {torch.__version__}; median of {job.rounds} rounds"


def processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text()
        return next(line.split(":")[1].strip() for line in told.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
