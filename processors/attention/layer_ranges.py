"""Attention layers named by ranges of numbers, as artists write them."""
from __future__ import annotations

import re

from ..errors import ConcordError


def parse_ranges(text: str, count: int) -> frozenset[int]:
    """"10-15" or "4, 7-9" -> the sites of a model with `count` of a kind, counted from 0 in execution order (down, mid, up)."""
    found: set[int] = set()
    for piece in re.split(r"[,;\s]+", re.sub(r"\s*-\s*", "-", text.strip(" ,;\n\t"))):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", piece)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < count:
            raise ConcordError(f"{piece!r} in the layers {' '.join(text.split())!r} is not understood; this model has the layers 0 to {count - 1}: "
                               f"write numbers and ranges with commas between, such as {count * 5 // 8}-{count - 1} or 0, 2-{min(5, count - 1)}")
        found.update(range(first, last + 1))
    return frozenset(found)
