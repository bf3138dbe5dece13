"""Runs code inside real ComfyUI installations, so that tests can check it from here.

Hosts come from `COMFYUI_PATH` (`os.pathsep`-separated; a path that is set but missing fails) or `~/comfy/ComfyUI*`; their
Python from `COMFYUI_PYTHON`, else the environment beside the checkout. Without a host the tests skip, and the last lines say so.

Every test that takes one of these fixtures runs once per host:

    in_host(script, call="run", **arguments)  -> dict     calls a function of tests/comfy/scripts/<script>, see worker.py.
                                                          Arguments and results: what JSON holds, and tensors.
    check()                                               in a module with `SCRIPTS = ("x.py", ...)`: one test for each `check_*`
                                                          function of scripts/x.py; a failing one shows the host's own traceback.
                                                          One that takes `thorough` runs with False, and as a slow test with True.
    comfy -> Path                                         the host's folder.

A module with `DEEP = True` looks at one thing closely: in all hosts but the newest its tests are slow ones (`make test-all`); with a set of names,
those of its tests are.

One process per host serves the whole session (importing a host costs 5 to 12 seconds) and starts with a clean environment.
"""
from __future__ import annotations

import ast
import itertools
import json
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .versions import version

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MISSING = "no ComfyUI found: set COMFYUI_PATH to one or more checkouts, or put them at ~/comfy/ComfyUI*"
SECONDS_PER_CALL = 900


def find_hosts() -> list[Path]:
    """All ComfyUI folders to test against; raises if COMFYUI_PATH names one that is not there."""
    if named := os.environ.get("COMFYUI_PATH"):
        hosts = [Path(part).expanduser().resolve() for part in named.split(os.pathsep) if part]
    else:
        hosts = sorted((Path.home() / "comfy").glob("ComfyUI*"))
    for host in hosts if named else ():
        if not (host / "main.py").is_file():
            raise pytest.UsageError(f"COMFYUI_PATH names {host}, which has no main.py: correct it, or unset it to look in ~/comfy")
    return [host for host in hosts if (host / "main.py").is_file()]


def host_python(host: Path) -> str:
    """The interpreter that has this host's requirements."""
    if named := os.environ.get("COMFYUI_PYTHON"):
        return named
    folders = [host / "venv", host / ".venv", host.parent / "venv", host.parent / ".venv"]
    for python in itertools.chain.from_iterable((folder / "bin/python", folder / "Scripts/python.exe") for folder in folders):
        if python.is_file():
            return str(python)
    raise pytest.UsageError(f"no Python environment beside {host}: looked for venv and .venv in it and beside it; set COMFYUI_PYTHON")


def clean_environment() -> dict[str, str]:
    """What a host process sees: nothing of the project's own environment, and one thread that does not spin while it waits."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL_ENV", "COMFYUI", "CONCORD"))}
    return kept | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}


class Worker:
    """A host process that answers calls, one JSON line each."""

    def __init__(self, host: Path, folder: Path):
        self.log = folder / "host.log"
        command = [host_python(host), str(HERE / "worker.py"), str(host), str(ROOT), str(folder)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def ask(self, **request: str) -> dict:
        assert self.process.stdin and self.process.stdout
        if self.process.poll() is None:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], SECONDS_PER_CALL)[0]:
                self.process.kill()
                pytest.fail(f"{request['script']}: no answer after {SECONDS_PER_CALL} s. The host's last lines:\n{self.tail()}")
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"{request['script']}: the host process ended (exit code {self.process.wait()}). Its last lines:\n{self.tail()}")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run per host for tests that take `comfy`; one test per `check_*` function for those that take `check`."""
    if "comfy" in metafunc.fixturenames:
        found = find_hosts()
        newest, deep = max(found, key=version, default=None), getattr(metafunc.module, "DEEP", False)
        deep = metafunc.function.__name__ in deep if isinstance(deep, set) else deep
        hosts = [pytest.param(host, id=host.name, marks=[pytest.mark.slow] * (deep and host != newest)) for host in found]
        metafunc.parametrize("comfy", hosts or [pytest.param(None, id="no host", marks=pytest.mark.skip(reason=MISSING))], scope="session")
    if "check_name" in metafunc.fixturenames:
        metafunc.parametrize("check_name", [param for script in metafunc.module.SCRIPTS for param in checks(script)])


def checks(script: str) -> Iterator[Any]:
    """(script, name, arguments) of each of its checks, without running it."""
    tree = ast.parse((HERE / "scripts" / script).read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
            name = f"{script.removesuffix('.py')}-{node.name.removeprefix('check_')}"
            yield pytest.param((script, node.name, {}), id=name)
            if "thorough" in (argument.arg for argument in node.args.args):
                yield pytest.param((script, node.name, {"thorough": True}), id=f"{name}-thorough", marks=pytest.mark.slow)


@pytest.fixture(scope="session")
def worker(comfy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(comfy, tmp_path_factory.mktemp(comfy.name))
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def in_host(worker: Worker, tmp_path_factory: pytest.TempPathFactory):
    """Calls a function of a script in the host's process; see the top of this file."""

    def call(script: str, call: str = "run", **arguments):
        from .exchange import load, save
        folder = tmp_path_factory.mktemp("call")
        save(arguments, folder / "arguments")
        answer = worker.ask(script=str(HERE / "scripts" / script), call=call, folder=str(folder))
        if "error" in answer:
            pytest.fail(f"{script}:{call} in {worker.log.parent.name}\n{answer['error']}", pytrace=False)
        return load(folder / "result")

    return call


@pytest.fixture
def check(in_host, check_name: tuple[str, str, dict[str, bool]]):
    script, name, arguments = check_name
    return lambda: in_host(script, name, **arguments)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    yield
    skipped = sum(str(report.longrepr).count(MISSING) > 0 for report in terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.write_line(f"{skipped} tests SKIPPED for lack of ComfyUI: {MISSING}", red=True, bold=True)
