"""For people: what became of each word of Prompt-to-Prompt's targets."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from ..edit import Edit
from ..words import Prompt, words
from .prompt_to_prompt import CopyWords, WeighWords
from .word_alignment import spoken

HEAD = ("word", "looks where", "in the part", "weight")


def report(source: Prompt, targets: Sequence[Prompt], edits: Iterable[Edit]) -> str:
    """A table for each target: its words, the words of the source whose places they take, when, and how loud they are."""
    copies, weights = ([edit for edit in edits if isinstance(edit, kind)] for kind in (CopyWords, WeighWords))
    parts = [f"source: {' '.join(words(source))}"]
    for number, (target, copy, loud) in enumerate(zip(targets, copies, weights, strict=True), start=1):
        table = torch.eye(len(target.ids)) if copy.table is None else copy.table
        lines = [HEAD]
        for group, (word, place) in zip(target.groups, spoken(source, target, table), strict=True):
            start, end = copy.windows[group[0]]
            lines.append((word, place or "(new)", f"{start:g}-{end:g}" if place else "", f"{loud.weights[group[0]]:g}"))
        parts.append(f"target {number}: {' '.join(words(target))}\n" + in_columns(lines))
    return "\n\n".join(parts)


def in_columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines)
