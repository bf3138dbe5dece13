"""What regions say: which of them act, and where their words stand in the prompt that the model is told."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import ConcordError
from .pieces import pieces
from .regions import Region
from .words import Prompt, all_positions


def acting(regions: Any, technique: str) -> tuple[Region, ...]:
    """The regions without those that are off. None at all is an error."""
    if not isinstance(regions, Sequence) or not all(isinstance(region, Region) for region in regions):
        raise ConcordError(f"{technique} needs regions, got {regions!r:.100}; connect Regions or Region")
    if not regions:
        raise ConcordError(f"{technique} got no region at all; draw one with Regions, or connect Region")
    return tuple(region for region in regions if not region.off)


def tokens_of(region: Region, prompt: Prompt, technique: str) -> tuple[int, ...]:
    """The places of its words in the encoded prompt, of each phrase every time that it occurs. No words, and words that are not there, are errors."""
    phrases = pieces(region.words)
    if not phrases:
        raise ConcordError(f"{technique} looks for words of the prompt, but the region {region.name} has none; "
                           "write in it which words of the prompt belong there")
    return all_positions(prompt, phrases)
