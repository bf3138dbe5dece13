"""`concord`: run, check and list workflows and nodes where no ComfyUI is; exit code 0 done, 2 for what the user can mend, 130 when stopped."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .processors.errors import ConcordError

if TYPE_CHECKING:
    from .hosts.diffusers.graph.context import Context

ROOT = Path(__file__).resolve().parent
DTYPES = ("float32", "float16", "bfloat16")
HEADLESS = "install what running without ComfyUI needs: pip install -e .[headless]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line; -> its exit code."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: spinning threads are several times slower beside other busy programs
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if options.command is test:
        options.rest = rest  # for pytest, whose options argparse does not know
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return options.command(options)
    except ConcordError as error:
        _tell(str(error))
        return 2
    except ModuleNotFoundError as error:
        _tell(f"the module {error.name} is not installed; {HEADLESS}")
        return 2
    except KeyboardInterrupt:
        _tell("stopped")
        return 130
    except BrokenPipeError:  # `concord nodes | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def run(options: argparse.Namespace) -> int:
    """Run a workflow; print the files that it wrote."""
    from .hosts.diffusers.graph.runner import run_file

    written = run_file(options.file, _context(options), options.set, options.seed, tell=None if options.quiet else _tell)
    for path in (path for paths in written.values() for path in paths):
        print(path)
    return 0


def check(options: argparse.Namespace) -> int:
    """Say for each file whether it can run here, and if not everything that is in the way."""
    from .hosts.diffusers.graph.runner import check_file

    context, wrong = _context(options), 0
    for file in options.files:
        problems, notes, nodes = check_file(file, context)
        for line in [*problems, *notes]:
            print(f"{file}: {line}")
        wrong += bool(problems)
        print(f"{file}: {_counted(len(problems), 'problem')}" if problems else f"{file}: can run ({_counted(nodes, 'node')})")
    return 2 if wrong else 0


def nodes(options: argparse.Namespace) -> int:
    """List all nodes, or describe one."""
    from .hosts.diffusers.graph.listing import describe, table
    from .hosts.diffusers.graph.registry import default_registry

    registry = default_registry(_context(options))
    print(describe(registry, options.name) if options.name else table(registry))
    return 0


def demo(options: argparse.Namespace) -> int:
    """Run the shipped practice workflows and put their pictures on one sheet."""
    from .hosts.diffusers.graph.gallery import sheet
    from .hosts.diffusers.graph.runner import run_file

    files = sorted((ROOT / "workflows" / "api").glob("*-practice.json")) or sorted((ROOT / "workflows").glob("*-practice.json"))
    if not files:
        raise ConcordError(f"no practice workflows (*-practice.json) in {ROOT / 'workflows'}; is this a complete checkout?")
    chapters = {}
    for number, file in enumerate(files, 1):
        title = file.stem.removesuffix("-practice").replace("-", " ")
        if not options.quiet:
            _tell(f"{number}/{len(files)} {title}")
        chapters[title] = run_file(file, _context(options), tell=None if options.quiet else _tell)
    print(f"pictures: {options.out}\ngallery:  {sheet(chapters, options.out / 'gallery.png')}")
    return 0


def test(options: argparse.Namespace) -> int:
    """Run the test suite; what follows goes to pytest (default: all but the slow tests, on every core)."""
    import pytest

    os.chdir(ROOT)  # pytest's settings are there
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread for each of pytest's processes; several would wait for each other
    return int(pytest.main(options.rest or ["-m", "not slow", "-n", "auto", "--dist", "worksteal"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="concord", description="Runs ComfyUI workflows with Concord's nodes where no ComfyUI is.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = _command(commands, run, _folders, _machine)
    one.add_argument("file", metavar="FILE", type=Path, help="workflow: API format, UI format, or a PNG that carries one")
    one.add_argument("--set", metavar="NODE.INPUT=VALUE", action="append", default=[], help="change an input; the node by id, title or class; may be repeated")
    one.add_argument("--seed", type=int, metavar="N", help="give every seed this value")
    one.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where pictures go (default: out)")
    many = _command(commands, check, _folders)
    many.add_argument("files", metavar="FILE", type=Path, nargs="+", help="workflows, as for run")
    listed = _command(commands, nodes, _folders)
    listed.add_argument("name", metavar="NAME", nargs="?", help="a node's id or title, to see its inputs and outputs")
    shown = _command(commands, demo, _machine)
    shown.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="where pictures go (default: out/demo)")
    _command(commands, test)
    return parser


def _command(commands, command, *more) -> argparse.ArgumentParser:
    parser = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
    parser.set_defaults(command=command)
    for add in more:
        add(parser)
    return parser


def _folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=Path, default=Path("models"), metavar="DIR", help="models, laid out as ComfyUI's models folder (default: models)")
    parser.add_argument("--input", type=Path, default=Path("input"), metavar="DIR", help="pictures that LoadImage finds (default: input)")


def _machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    parser.add_argument("--dtype", choices=DTYPES, help="number format of the models (default: fits the device)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no remarks")


def _context(options: argparse.Namespace) -> Context:
    from .hosts.diffusers.graph.context import Context

    known = {name: path for name in ("models", "input") if (path := getattr(options, name, None))}
    context = Context(**known, output=getattr(options, "out", Path("out")))
    if not hasattr(options, "device"):
        return context
    from .hosts.diffusers.graph.device import device_and_dtype

    device, dtype = device_and_dtype(options.device, options.dtype)
    return replace(context, device=device, dtype=dtype)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
