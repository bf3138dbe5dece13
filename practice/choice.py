"""A scene from choices, as a node offers them."""

from __future__ import annotations

from ..processors.errors import ConcordError
from .world import COLOURS, LANDSCAPES, OPPOSITES, WIDE, Scene, place_thing, random_scene

PICTURES = ("one object", "two objects", *WIDE, "random objects")


def choose(picture: str, first: tuple[str, str, str], place: str, second: tuple[str, str, str], background: str, light: str, seed: int) -> Scene:
    """`first` and `second`: (shape, colour, texture); the second stands opposite. A landscape takes `light`, a pattern the first colour;
    `seed` draws the random ones and the lie of a landscape."""
    if picture == "random objects":
        return random_scene(seed, wide=0.0, held_out=None)
    if picture in WIDE:
        return Scene(wide=picture, tone=light if picture in LANDSCAPES else first[1], seed=seed)
    things = [place_thing(*first, place=place)]
    if picture == "two objects":
        opposite = dict(OPPOSITES).get(place)
        if opposite is None:
            raise ConcordError(f"two objects stand opposite each other; the first was put in the {place}. Choose {', '.join(dict(OPPOSITES))}")
        things.append(place_thing(*second, place=opposite))
    if any(thing.colour == background for thing in things):
        raise ConcordError(f"a {background} object cannot be seen on a {background} background; choose another of {', '.join(COLOURS)}")
    return Scene(background, tuple(things))
