"""What edits do to pictures of the practice model, in numbers: layout and appearance that are kept, and pictures that come back."""

from __future__ import annotations

import torch
from torch import Tensor

from ..nodes.ddim_inversion import DDIMInversion
from ..nodes.masactrl import MasaCtrl
from ..nodes.prompt_to_prompt import PromptToPrompt
from .drawing import render
from .judge import Judge, find, foreground
from .measure import overlap
from .studio import CELLS, Studio, look
from .world import COLOURS, SHAPES, TEXTURES, caption, random_scene


def layout_kept(studio: Studio, pictures: int, until: float = 0.8, layout: float = 0.4) -> dict[str, float]:
    """Prompt-to-Prompt swaps the colour of "a red striped shape". overlap: IoU of the object with the source's; asked: share that has the new colour.

    until, layout: how long the words and the layout are kept, as shares of the run; 0 and 0 is off.
    """
    judge, found = Judge.load(), []
    for seed in range(pictures):
        old, new, texture = COLOURS[seed % 4], COLOURS[(seed + 1) % 4], TEXTURES[seed % len(TEXTURES)]
        source, target = (f"a {colour} {texture} shape on a {COLOURS[4 + seed % 4]} background" for colour in (old, new))
        edited = PromptToPrompt.execute(studio.model, studio.parts[1], _canvas(1), source, target, "replace", f"default:0-{until:g}", 0.0, layout, "all").args
        first, second = _drawn(studio, edited, seed)
        found.append([overlap(second[None], foreground(first)[None]), look(second, judge)[0] == new])
    return dict(zip(("overlap", "asked"), torch.tensor(found).float().mean(0).tolist(), strict=True))


def appearance_kept(studio: Studio, pictures: int, start: float = 0.08) -> dict[str, float]:
    """MasaCtrl draws "a heart on the right" after an object on the left. Share of pictures that have its colour, its texture and its background, and that
    stand where their own prompt says. start: from which part of the run on; 1 is off."""
    judge, found = Judge.load(), []
    for seed in range(pictures):
        colour, texture, ground = COLOURS[seed % 4], TEXTURES[seed % 3], COLOURS[4 + seed % 4]
        shape = SHAPES[seed % len(SHAPES)]
        source = studio.encode(f"a {colour} {texture} {shape} on the left on a {ground} background")
        edited = MasaCtrl.execute(studio.model, source, studio.encode(f"a {shape} on the right"), _canvas(1), "plain", start, 1.0, "both",
                                  clip=studio.parts[1]).args  # fmt: skip
        second = _drawn(studio, edited, seed)[1]
        seen = find(second)
        found.append([a == b for a, b in zip((*look(second, judge), seen and seen.place), (colour, texture, ground, "right"), strict=True)])
    return dict(zip(("colour", "texture", "background", "place"), torch.tensor(found).float().mean(0).tolist(), strict=True))


def round_trip(studio: Studio, pictures: int, steps: int) -> dict[str, float]:
    """How far pictures that were inverted miss themselves on the way back, as a share of their contrast (0: exact)."""
    errors = []
    for seed in range(pictures):
        scene = random_scene(95_000 + seed, two=0.0, wide=0.0)
        latent = {"samples": studio.parts[2].encode(render(scene).sockets()[0])}
        said = studio.encode(caption(scene))
        errors.append(DDIMInversion.execute(studio.model, said, studio.empty, latent, steps, "normal", 1.0, "target of the step").args[3])
    return {"error": sum(errors) / len(errors)}


def _canvas(samples: int) -> dict:
    return {"samples": torch.zeros(samples, 4, CELLS, CELLS)}


def _drawn(studio: Studio, edited: tuple, seed: int) -> Tensor:
    """The pictures of a node's MODEL, CONDITIONING and LATENT."""
    model, positive, latent = edited[:3]
    return studio.draw(model, positive, seed=seed, latent=latent)
