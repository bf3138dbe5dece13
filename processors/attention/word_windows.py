"""What an artist writes about single words: "default:0-0.8, cat:0-0.4" and "red:2, tall tree:0.5", brought to the tokens of prompts."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import TypeVar

from ..errors import ConcordError
from ..pieces import pieces
from ..words import Prompt, positions, words

Window = tuple[float, float]  # from, until; progress 0..1
ALL: Window = (0.0, 1.0)
DEFAULT = "default"
T = TypeVar("T")


def windows_of(text: str, prompts: Sequence[Prompt]) -> list[tuple[Window, ...]]:
    """For each prompt the window of every token. "default" is for all words that are not named, the whole run where it is not written; later words win.

    A word has to be in one of the prompts at least.
    """
    named = list(read(text, window, "a word, a colon and the part of the run: default:0-0.8, cat:0-0.4"))
    default = next((found for word, found in reversed(named) if word.lower() == DEFAULT), ALL)
    return per_token([pair for pair in named if pair[0].lower() != DEFAULT], default, prompts)


def weights_of(text: str, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
    """For each prompt the factor of every token's attention, 1 where its word is not named."""
    return per_token(list(read(text, weight, "a word, a colon and a number from -5 to 10: red:2, cat:0.5")), 1.0, prompts)


def per_token(named: Sequence[tuple[str, T]], default: T, prompts: Sequence[Prompt]) -> list[tuple[T, ...]]:
    found = [[default] * len(prompt.ids) for prompt in prompts]
    for word, value in named:
        there = [places(prompt, word) for prompt in prompts]
        if not any(there):
            raise ConcordError(f"{word!r} is not among the words of the targets; they have: {listed(prompts)}")
        for values, at in zip(found, there, strict=True):
            for i in at:
                values[i] = value
    return [tuple(values) for values in found]


def lanes_of(text: str, prompts: Sequence[Prompt]) -> tuple[tuple[int, ...], ...]:
    """For each prompt the positions of those of the words "cat, red dog" that it has. Each has to be in one of the prompts."""
    found: list[tuple[int, ...]] = [()] * len(prompts)
    for word in pieces(text):
        there = [places(prompt, word) for prompt in prompts]
        if not any(there):
            raise ConcordError(f"{word!r} is in none of the prompts; they have: {listed(prompts)}")
        found = [(*before, *more) for before, more in zip(found, there, strict=True)]
    return tuple(found)


def listed(prompts: Sequence[Prompt]) -> str:
    return "; ".join(", ".join(dict.fromkeys(words(prompt))) for prompt in prompts)


def places(prompt: Prompt, word: str) -> tuple[int, ...]:
    try:
        return positions(prompt, word)
    except ConcordError:  # this target does not have it; another may
        return ()


def read(text: str, value: Callable[[str], T | None], form: str) -> Iterator[tuple[str, T]]:
    """The pairs of a text that are divided by commas or lines."""
    for piece in pieces(text):
        word, _, written = piece.rpartition(":")
        found = value(written)
        if not word.strip() or found is None:
            raise ConcordError(f"{piece!r} cannot be read; write {form}")
        yield word.strip(), found


def window(written: str) -> Window | None:
    """"0-0.8" -> (0, 0.8); "0.8" is from the start."""
    start, dash, end = written.partition("-")
    try:
        found = (float(start), float(end)) if dash else (0.0, float(start))
    except ValueError:
        return None
    return found if 0 <= found[0] <= 1 and 0 <= found[1] <= 1 else None


def weight(written: str) -> float | None:
    try:
        found = float(written)
    except ValueError:
        return None
    return found if isfinite(found) and -5 <= found <= 10 else None
