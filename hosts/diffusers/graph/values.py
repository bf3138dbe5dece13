"""Checks and converts the values of widgets, by ComfyUI's rules."""
from __future__ import annotations

from difflib import get_close_matches
from math import isnan
from typing import Any

from ....processors.errors import ConcordError
from .context import FileNames, current

FLAGS = {"true": True, "false": False}


def unwrapped(value: Any) -> Any:
    """A list widget's value travels as {"__value__": [...]}, because a bare list is a link."""
    return value["__value__"] if isinstance(value, dict) and "__value__" in value else value


def fitting(taken: Any, value: Any, own_check: bool = False) -> Any:
    """The value as the input's type; ConcordError says what was received and what fits. `own_check`: the node judges ranges and lists itself."""
    value = unwrapped(value)
    converted = _converted(taken, value)
    if own_check:
        return converted
    if taken.io_type in ("INT", "FLOAT"):
        _in_range(taken, converted)
    elif taken.io_type == "COMBO" and converted not in taken.options:
        _offered(taken, converted)
    return converted


def _converted(taken: Any, value: Any) -> Any:
    try:
        match taken.io_type:
            case "INT":
                return int(value)
            case "FLOAT" if not isnan(float(value)):
                return float(value)
            case "BOOLEAN" if isinstance(value, str):
                return FLAGS[value.lower()]
            case "BOOLEAN" if isinstance(value, bool | int | float):
                return bool(value)
            case "STRING" if isinstance(value, str | int | float):
                return str(value)
            case "COMBO":
                return value
    except (ValueError, TypeError, OverflowError, KeyError):
        pass  # said below, with what fits
    raise ConcordError(f"got {_shown(value)}; fits: {wanted(taken)}")


def wanted(taken: Any) -> str:
    """What an input takes, in words."""
    low, high = getattr(taken, "min", None), getattr(taken, "max", None)
    if low is not None and high is not None:
        bounds = f" from {low} to {high}"
    else:
        bounds = f" of at least {low}" if low is not None else f" of at most {high}" if high is not None else ""
    match taken.io_type:
        case "INT":
            return f"a whole number{bounds}"
        case "FLOAT":
            return f"a number{bounds}"
        case "BOOLEAN":
            return "true or false"
        case "STRING":
            return "text"
        case "COMBO":
            names = [str(o) for o in taken.options]
            return f"one of {', '.join(names[:12])}{f' and {len(names) - 12} more' if len(names) > 12 else ''}" if names else "nothing, its list is empty"
    return f"a link from a {taken.io_type} output"


def _in_range(taken: Any, value: float) -> None:
    if (taken.min is not None and value < taken.min) or (taken.max is not None and value > taken.max):
        raise ConcordError(f"got {value}; fits: {wanted(taken)}")


def _offered(taken: Any, value: Any) -> None:
    if isinstance(taken.options, FileNames):  # its message names the folders, and it reads both kinds of slashes
        current().find(taken.options.folder, str(value))
        return
    close = get_close_matches(str(value), [str(o) for o in taken.options], n=1)
    raise ConcordError(f"got {_shown(value)}; fits: {wanted(taken)}{f' (did you mean {close[0]!r}?)' if close else ''}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
