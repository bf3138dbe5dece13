"""diffusers as a host: the embedded one, for the command line, for tests, and as a library (`from concord.hosts.diffusers import control`)."""
from __future__ import annotations

from typing import Any

__all__ = ["control"]


def __getattr__(name: str) -> Any:
    if name == "control":  # at the first question, because diffusers takes seconds to import
        from .pipeline import control

        return control
    raise AttributeError(f"module {__name__} has no attribute {name}")
