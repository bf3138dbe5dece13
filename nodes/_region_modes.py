"""What each mode of RegionGuidance is asked for, and by whom it is done."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..processors.attention.forward_guidance import forward_guidance
from ..processors.attention.layer_ranges import parse_ranges
from ..processors.attention.paint_with_words import paint_with_words
from ..processors.attention.region_prompts import region_prompts
from ..processors.edit import Edit
from ..processors.errors import ConcordError
from ..processors.latents.guidance.attend_and_excite import attend_and_excite
from ..processors.latents.guidance.backward import backward_guidance
from ..processors.latents.guidance.box_diff import box_diff
from ..processors.region_words import acting, tokens_of
from ..processors.regions import Region, spoken
from ..processors.words import CHUNK, Prompt
from ._api import host
from .decoupled_prompt import all_tokens

FILLERS = {"as the authors do": None, "on": True, "off": False}
REACHED = ((0.0, 0.0625), (0.2, 0.625), (0.4, 1.0))  # how much of the last threshold must be reached from which part of the run on


class Asked(NamedTuple):
    """The node's inputs."""

    model: Any
    clip: Any
    text: str
    regions: Any
    mode: str
    strength: float
    start: float
    end: float  # 0: the authors'
    layers: str
    base_ratio: float
    law: str
    scope: str
    outside: float
    iterations: int  # 0: the authors'
    threshold: float  # 0: the authors'
    fillers: bool | None  # None: as the authors do
    prompt_number: int


class Mode(NamedTuple):
    end: float  # until where the authors act
    edits: Callable[[Asked, Sequence[Region], dict[str, Any]], Sequence[Edit]]


def edits_of(asked: Asked) -> Sequence[Edit]:
    """What the node attaches."""
    regions, mode = acting(asked.regions, asked.mode), MODES[asked.mode]
    if asked.strength == 0 or not regions:
        return ()
    layers = parse_ranges(asked.layers, host().cross_attentions(asked.model)[0]) if asked.layers.strip() else None
    return mode.edits(asked, regions, {"strength": asked.strength, "window": (asked.start, asked.end or mode.end), "layers": layers})


def prompts(asked: Asked, regions: Sequence[Region], where: dict[str, Any]) -> Sequence[Edit]:
    if bare := next((region for region in regions if not spoken(region.prompt) and not spoken(region.negative)), None):
        raise ConcordError(f"{asked.mode}: the region {bare.name} has no prompt; write one in it, or choose a mode that uses the words of the main prompt")
    sides = ([encoded(getattr(region, side), region, asked) for region in regions] for side in ("prompt", "negative"))
    return region_prompts(regions, *sides, base_ratio=asked.base_ratio, **where)


def encoded(prompt: Any, region: Region, asked: Asked) -> Tensor | None:
    """The tokens of a region's own prompt, a text or a CONDITIONING; None: it has none."""
    if not spoken(prompt):
        return None
    _, width, name = host().cross_attentions(asked.model)
    told = host().encode_prompt(asked.clip, prompt) if isinstance(prompt, str) else prompt
    return all_tokens(told, width, name, f"the prompt of the region {region.name}")


def painted(asked: Asked, regions: Sequence[Region], where: dict[str, Any]) -> Sequence[Edit]:
    return paint_with_words(aims(asked, regions)[0], law=asked.law, scope=asked.scope, outside=asked.outside, entry=asked.prompt_number, **where)


def forward(asked: Asked, regions: Sequence[Region], where: dict[str, Any]) -> Sequence[Edit]:
    aimed, prompt = aims(asked, regions)
    start, end = ((), ()) if asked.fillers is False else fillers(prompt)
    return forward_guidance(aimed, start=start, end=end, entry=asked.prompt_number, **where)


def backward(asked: Asked, regions: Sequence[Region], where: dict[str, Any]) -> Sequence[Edit]:
    aimed, prompt = aims(asked, regions)
    how = {"iterations": asked.iterations or 5, "threshold": asked.threshold or 0.2, "end": fillers(prompt)[1] if asked.fillers else ()}
    return backward_guidance(aimed, entry=asked.prompt_number, **how, **where)


def excited(guide: Callable[..., Sequence[Edit]]) -> Callable[[Asked, Sequence[Region], dict[str, Any]], Sequence[Edit]]:
    def edits(asked: Asked, regions: Sequence[Region], where: dict[str, Any]) -> Sequence[Edit]:
        thresholds = tuple((start, share * (asked.threshold or 0.8)) for start, share in REACHED)
        return guide(aims(asked, regions)[0], iterations=asked.iterations or 20, thresholds=thresholds, entry=asked.prompt_number, **where)

    return edits


def aims(asked: Asked, regions: Sequence[Region]) -> tuple[list[tuple[Region, tuple[int, ...]]], Prompt]:
    """Each region with the places of its words, and the prompt that has them."""
    prompt = host().read_prompt(asked.clip, asked.text)
    return [(region, tokens_of(region, prompt, asked.mode)) for region in regions], prompt


def fillers(prompt: Prompt) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The places of the tokens that begin the prompt, and of those that end and fill it."""
    others = [i for i in range(len(prompt.ids)) if i not in prompt.said]
    return tuple(i for i in others if i % CHUNK == 0), tuple(i for i in others if i % CHUNK)


MODES = {
    "region prompts": Mode(1.0, prompts),
    "paint with words": Mode(1.0, painted),
    "forward guidance": Mode(0.2, forward),
    "backward guidance": Mode(0.2, backward),
    "BoxDiff": Mode(0.5, excited(box_diff)),
    "Attend-and-Excite": Mode(0.5, excited(attend_and_excite)),
}
