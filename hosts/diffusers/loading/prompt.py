"""A prompt with weights -> pieces of text, each with its weight, as ComfyUI reads it.

`(word)` multiplies the weight by 1.1, `(word:1.3)` sets it, brackets nest, `\\(` is a bracket to be read. Other brackets mean nothing.
"""
from __future__ import annotations

import re

OPENING, CLOSING = "\0\2", "\0\1"  # escaped brackets while the others are parsed; no keyboard types them
EMBEDDING = "embedding:"


def weighted_pieces(text: str) -> list[tuple[str, float]]:
    """"a (red:1.2) cat" -> [("a ", 1.0), ("red", 1.2), (" cat", 1.0)]"""
    escaped = text.replace("\\)", CLOSING).replace("\\(", OPENING)
    return [(piece.replace(CLOSING, ")").replace(OPENING, "("), weight) for piece, weight in _weigh(escaped, 1.0)]


def split_embeddings(piece: str) -> list[str]:
    """Cuts a piece before every `embedding:name` that starts a word: "a embedding:x b" -> ["a ", "embedding:x b"]"""
    return [part for part in re.split(rf"(?<=\s)(?={EMBEDDING})", piece) if part]


def _weigh(text: str, outer: float) -> list[tuple[str, float]]:
    pieces = []
    for part in _top_level(text):
        if len(part) >= 2 and part[0] == "(" and part[-1] == ")":
            pieces += _weigh(*_inside(part[1:-1], outer))
        else:
            pieces.append((part, outer))
    return pieces


def _inside(text: str, outer: float) -> tuple[str, float]:
    colon = text.rfind(":")
    if colon > 0:
        try:
            return text[:colon], float(text[colon + 1 :])
        except ValueError:  # a colon that is only text
            pass
    return text, outer * 1.1


def _top_level(text: str) -> list[str]:
    """Cuts at the outermost brackets. What stands inside unbalanced brackets stays one piece."""
    parts, start, depth = [], 0, 0
    for i, letter in enumerate(text):
        if letter == "(":
            if depth == 0:
                parts.append(text[start:i])
                start = i
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                parts.append(text[start : i + 1])
                start = i + 1
    return [part for part in (*parts, text[start:]) if part]
