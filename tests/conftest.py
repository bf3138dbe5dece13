"""Makes this checkout importable as `concord`, whatever its folder is called and whether or not one is installed; fixtures for the command line."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _make_importable() -> None:
    spec = spec_from_file_location("concord", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec and spec.loader
    package = sys.modules["concord"] = module_from_spec(spec)
    spec.loader.exec_module(package)


_make_importable()


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs code in a fresh interpreter, in an empty folder, with `concord` importable; more arguments are its sys.argv[1:]."""
    from concord.tests.processes import BOOT

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BOOT + code, str(ROOT), *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return run
