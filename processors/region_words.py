"""What regions say: which of them act, and where their words stand in the prompt that the model is told."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import ConcordError
from .regions import Region
from .rows import Site
from .words import Prompt, positions


def acting(regions: Any, technique: str) -> tuple[Region, ...]:
    """The regions without those that are off. None at all is an error."""
    if not isinstance(regions, Sequence) or not all(isinstance(region, Region) for region in regions):
        raise ConcordError(f"{technique} needs regions, got {regions!r:.100}; connect Regions or Region")
    if not regions:
        raise ConcordError(f"{technique} got no region at all; draw one with Regions, or connect Region")
    return tuple(region for region in regions if not region.off)


def tokens_of(region: Region, prompt: Prompt, technique: str) -> tuple[int, ...]:
    """The places of its words in the encoded prompt, of each phrase every time that it occurs. No words, and words that are not there, are errors."""
    phrases = [phrase.strip() for phrase in region.words.replace("\n", ",").split(",") if phrase.strip()]
    if not phrases:
        raise ConcordError(f"{technique} looks for words of the prompt, but the region {region.name} has none; "
                           "write in it which words of the prompt belong there")
    return tuple(dict.fromkeys(place for phrase in phrases for place in positions(prompt, phrase)))


def check_length(tokens: Sequence[int], length: int, site: Site, technique: str) -> None:
    """Refuses places beyond the prompt that reaches a site."""
    if tokens and max(tokens) >= length:
        raise ConcordError(f"{technique} looks for token {max(tokens)} of the prompt, but the prompt at {site} has {length}; "
                           "give it the text that the model is told")
