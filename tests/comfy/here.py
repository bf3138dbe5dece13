"""The scripts of scripts/ in this process, where the headless host runs what they say."""
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def script_here(name: str) -> ModuleType:
    """scripts/<name> as a module; without the headless extra the test that asks skips."""
    pytest.importorskip("diffusers", reason="the headless extra is not installed")
    path = Path(__file__).parent / "scripts" / name
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def run_here(name: str, **arguments: bool) -> dict:
    """What scripts/<name> makes in the headless host, on one thread as in the others."""
    module = script_here(name)
    import torch
    torch.set_num_threads(1)
    return module.in_diffusers(**arguments)
