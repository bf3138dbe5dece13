"""Attention maps: where each word of the prompt was looked at while a picture was drawn.

Tang et al., What the DAAM: Interpreting Stable Diffusion Using Cross Attention, arXiv 2210.04885, section 3.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import ConcordError
from ..pieces import pieces
from ..probe import Found, Grid, WordMaps, mean
from ..run import Run
from ..words import Prompt, positions

RESOLUTIONS = ("all", "coarse", "middle", "fine")
SCALES = ("each word", "all words together", "share of the words")
MASKS = ("above the threshold", "strongest word")
NONE_YET = "there are no attention maps yet: sample with the model of Attention Maps, and connect the latent that comes out of that sampler here"


@dataclass(eq=False)
class Maps:
    """What a run leaves behind: filled when it ends well, replaced by the next one. All that outlives a run."""

    words: tuple[str, ...]
    id: str = field(default_factory=lambda: uuid4().hex)  # two of the same words are two: each is filled
    found: dict[Grid, tuple[Tensor, float]] = field(default_factory=dict)  # resolution -> [samples, words, h, w] 0..1 on the CPU, and how often it was read
    levels: dict[Grid, int] = field(default_factory=dict)  # how often the latent was halved for it


@dataclass(frozen=True, eq=False, kw_only=True)
class AttentionMaps(WordMaps):
    """Word maps that are handed on when the run is over; a word's map is the mean of its tokens'."""

    technique = "AttentionMaps"

    places: tuple[tuple[int, ...], ...]  # of each word, in `tokens`
    into: Maps

    def finished(self, run: Run) -> None:
        seen: Found = run.memory.get(self.id, Found())
        words = lambda maps: torch.stack([maps[:, list(places)].mean(1) for places in self.places], 1).to("cpu")
        self.into.found = {grid: (words(mean(total)), float(total[:, -1].amax())) for (_, grid), total in seen.sums.items()}
        self.into.levels = seen.levels


def attention_maps(words: Sequence[tuple[str, Sequence[int]]], layers: frozenset[int] | None = None, window: tuple[float, float] = (0.0, 1.0),
                   entry: int = 0) -> tuple[AttentionMaps, Maps]:
    """Reads where words are looked at, and what will hold it. words: each with its places in the prompt; layers: cross-attentions, None: all;
    window: progress; entry: which of several combined prompts has the words."""
    tokens = tuple(sorted({place for _, places in words for place in places}))
    into = Maps(tuple(word for word, _ in words))
    places = tuple(tuple(map(tokens.index, of)) for _, of in words)
    return AttentionMaps(tokens=(tokens,), places=places, into=into, layers=layers, window=window, entry=entry), into


def asked_words(text: str, prompt: Prompt) -> list[tuple[str, tuple[int, ...]]]:
    """"red circle, star" -> each phrase with its places in the prompt; an empty text: every word of the prompt, without punctuation."""
    if asked := phrases(text):
        return [(phrase, positions(prompt, phrase)) for phrase in asked]
    found: dict[str, tuple[int, ...]] = {}
    for group in prompt.groups:
        spoken = tuple(place for place in group if any(map(str.isalnum, prompt.spelled((place,))))) or group
        word = prompt.spelled(spoken)
        found[word] = (*found.get(word, ()), *spoken)
    if not found:
        raise ConcordError("the text is empty, so there is no word to watch; give it the prompt that the model is told")
    return list(found.items())


def phrases(text: str) -> tuple[str, ...]:
    """What stands between commas or line ends, each once, in lower case."""
    return tuple(dict.fromkeys(" ".join(piece.lower().split()) for piece in pieces(text)))


def heat(maps: Maps, words: Sequence[str], size: tuple[int, int], resolution: str = "all", scale: str = "each word") -> Tensor:
    """[samples, words, y, x] 0..1 in pixels: the maps of all sites and steps, brought to one size (bicubic) and averaged.

    resolution: one of RESOLUTIONS; scale: what is 1, of SCALES: each map's own highest place (and its lowest is 0), the highest of all words of that
    picture, or the sum of the words at each place.
    """
    if not maps.found:
        raise ConcordError(NONE_YET)
    if unknown := [word for word in words if word not in maps.words]:
        raise ConcordError(f"there is no map of {', '.join(map(repr, unknown))}; Attention Maps has read: {', '.join(maps.words)}")
    chosen = [maps.words.index(word) for word in words]
    parts = [(interpolate(of[:, chosen], size, mode="bicubic").clamp(min=0), often) for of, often in at_resolution(maps.found, resolution)]
    total = sum(part * often for part, often in parts) / sum(often for _, often in parts)
    return scaled(total, scale)


def at_resolution(found: dict[Grid, tuple[Tensor, float]], resolution: str) -> list[tuple[Tensor, float]]:
    grids = sorted(found, key=lambda grid: grid[0] * grid[1])
    place = {"coarse": 0, "middle": len(grids) // 2, "fine": -1}
    return [found[grid] for grid in grids] if resolution == "all" else [found[grids[place[resolution]]]]


def scaled(heat: Tensor, scale: str) -> Tensor:
    tiny = torch.finfo(heat.dtype).tiny
    if scale == "share of the words":
        return heat / heat.sum(1, keepdim=True).clamp(min=tiny)
    over = (-2, -1) if scale == "each word" else (-3, -2, -1)
    low, high = heat.amin(over, keepdim=True), heat.amax(over, keepdim=True)
    return (heat - low) / (high - low).clamp(min=tiny)


def masks(heat: Tensor, threshold: float, choice: str = "above the threshold") -> Tensor:
    """[samples, words, y, x] 0 or 1: where a word's heat is above the threshold; with "strongest word" only where no other word has more."""
    chosen = heat > threshold
    if choice == "strongest word":
        chosen &= heat == heat.amax(1, keepdim=True)
    return chosen.to(heat.dtype)


def check_latent(maps: Maps, latent: Tensor) -> None:
    """latent [B, C, h, w]: refused when it cannot be what the run made that was read."""
    if not maps.found:
        raise ConcordError(NONE_YET)
    samples = len(next(iter(maps.found.values()))[0])
    fits = [tuple(-(-cells // 2 ** maps.levels[grid]) for cells in latent.shape[-2:]) == grid for grid in maps.found]
    if len(latent) != samples or not any(fits):
        grids = " and ".join(f"{w} x {h}" for h, w in maps.found)
        raise ConcordError(f"the latent has {len(latent)} pictures of {latent.shape[-1]} x {latent.shape[-2]} cells, but the last run with these maps drew "
                           f"{samples}, with maps of {grids}; connect the latent that comes out of that sampler")
