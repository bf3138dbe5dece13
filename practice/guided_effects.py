"""What hints under masks and reference pictures do to pictures of the practice model, in numbers. `effects` prints them with its own."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..hosts.diffusers import host
from ..processors.attention.image_prompt import image_prompt
from ..processors.edit import Edit
from ..processors.features.controlnet import ControlResiduals
from .drawing import render
from .judge import Judge, find
from .studio import Studio, look
from .world import SHAPES, Scene, Thing, random_scene


def confined_hint(studio: Studio, pictures: int) -> dict[str, dict[str, float]]:
    """Two outlines in one hint, for a prompt that names no shapes. Share of objects that have the outlined shape, in each half: without the hint, with it,
    and with a mask that shows the model its left half only."""
    judge, control_net = Judge.load(), host.practice_control_net()
    found: dict[str, list[list[bool]]] = {}
    for seed in range(pictures):
        scene, words = _two_objects(seed), studio.encode("a shape on the left and a shape on the right")
        hint = render(scene).sockets()[1]
        for name, edit in (("without", ControlResiduals(strength=0)), ("with", ControlResiduals()), ("masked", ControlResiduals(mask=_left_half()))):
            image = studio.draw(studio.model, *host.apply_control(words, studio.empty, control_net, hint, edit), seed=seed)[0]
            drawn = [find(image, half) for half in ("left", "right")]
            found.setdefault(name, []).append([one is not None and judge.names([one.cut])[0][0] == thing.shape
                                               for one, thing in zip(drawn, scene.things, strict=True)])
    return _halves(found)


def carried(studio: Studio, pictures: int, **choices: object) -> dict[str, float]:
    """Share of pictures of "a shape" that have the reference's colour, texture, background and shape. choices: of `image_prompt`."""
    judge, found = Judge.load(), []
    for seed in range(pictures):
        scene = random_scene(91_000 + seed, two=0.0, wide=0.0)
        model = host.attach(studio.model, *prompt_with(scene, **choices))
        image = studio.draw(model, studio.encode("a shape"), seed=seed)[0]
        seen, thing = find(image), scene.things[0]
        shape = judge.names([seen.cut])[0][0] if seen else ""
        found.append([a == b for a, b in zip((*look(image, judge), shape), (thing.colour, thing.texture, scene.background, thing.shape), strict=True)])
    return dict(zip(("colour", "texture", "background", "shape"), torch.tensor(found).float().mean(0).tolist(), strict=True))


def confined_reference(studio: Studio, pictures: int) -> dict[str, dict[str, float]]:
    """Two objects whose colours the words leave open. Share that has the reference's colour, in each half: without the reference, with it, and with a
    mask that shows it to the left half only."""
    judge, found = Judge.load(), {}
    for seed in range(pictures):
        scene = random_scene(92_000 + seed, two=0.0, wide=0.0)
        shape, colour = SHAPES[seed % len(SHAPES)], scene.things[0].colour
        words = studio.encode(f"a {shape} on the left and a {shape} on the right on a {scene.background} background")
        for name, choices in (("without", {"weight": 0.0}), ("with", {}), ("masked", {"mask": _left_half()})):
            image = studio.draw(host.attach(studio.model, *prompt_with(scene, **choices)), words, seed=seed)[0]
            seen = [find(image, half) for half in ("left", "right")]
            found.setdefault(name, []).append([one is not None and judge.names([one.cut])[0][2] == colour for one in seen])
    return _halves(found)


def prompt_with(scene: Scene, **choices: object) -> tuple[Edit, ...]:
    """The practice adapter looking at a scene."""
    adapter = host.practice_adapter()
    tokens = adapter.encode(adapter.vision.encode_image(render(scene).sockets()[0])[adapter.needs])
    return image_prompt(tokens, adapter.nothing(), adapter, **choices)


def _halves(found: dict[str, list[list[bool]]]) -> dict[str, dict[str, float]]:
    return {name: dict(zip(("left", "right"), torch.tensor(values).float().mean(0).tolist(), strict=True)) for name, values in found.items()}


def _left_half() -> Tensor:
    mask = torch.zeros(1, 128, 128)
    mask[..., :64] = 1
    return mask


def _two_objects(seed: int) -> Scene:
    scene = random_scene(93_000 + seed, two=1.0, wide=0.0)
    places: tuple[tuple[str, float], ...] = (("left", 0.25), ("right", 0.75))
    stand = lambda thing, place, x: replace(thing, texture="solid", place=place, x=x, y=0.5)
    things: tuple[Thing, ...] = tuple(stand(thing, *place) for thing, place in zip(scene.things, places, strict=True))
    return replace(scene, things=things)
