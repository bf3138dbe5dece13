"""The practice world: what a scene is, how one is drawn at random, and how it is said in words.

A scene is either one or two objects on a plain background, or a wide picture (a landscape or an all-over texture) that may
be drawn on a canvas of any length. Everything about it is known: captions, masks, outlines and boxes are exact.
Positions are fractions of the canvas, radii and line widths fractions of its short side; textures are in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..processors.errors import ConcordError

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "white", "black")
TEXTURES = ("solid", "striped", "dotted", "sketch")
BACKGROUNDS = COLOURS
PLACES = ("left", "right", "top", "bottom", "center")
LANDSCAPES = ("mountains", "hills", "sea", "city", "forest")
PATTERNS = ("bricks", "waves", "tiles")
WIDE = LANDSCAPES + PATTERNS
LIGHTS = ("noon", "sunset", "night")

CENTRES = {"left": (0.25, 0.5), "right": (0.75, 0.5), "top": (0.5, 0.25), "bottom": (0.5, 0.75), "center": (0.5, 0.5)}
PHRASES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom", "center": "in the center"}
OPPOSITES = (("left", "right"), ("right", "left"), ("top", "bottom"), ("bottom", "top"))


@dataclass(frozen=True)
class Thing:
    """One object. `x`, `y`: centre, fractions of the canvas; `radius`: fraction of its short side; `angle`: radians."""

    shape: str
    colour: str
    texture: str = "solid"
    place: str = "center"
    x: float = 0.5
    y: float = 0.5
    radius: float = 0.22
    angle: float = 0.0

    def __post_init__(self) -> None:
        _known("shape", self.shape, SHAPES)
        _known("colour", self.colour, COLOURS)
        _known("texture", self.texture, TEXTURES)
        _known("place", self.place, PLACES)


@dataclass(frozen=True)
class Scene:
    """Objects on a background, or a wide picture: `wide` names it, `tone` is its light (landscapes) or colour (patterns)."""

    background: str = "white"
    things: tuple[Thing, ...] = ()
    wide: str | None = None
    tone: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _known("background", self.background, BACKGROUNDS)
        if self.wide is not None:
            _known("wide scene", self.wide, WIDE)
            _known("tone", self.tone, tones(self.wide))


def tones(wide: str) -> tuple[str, ...]:
    """The tones that a wide picture comes in: lights for landscapes, colours for patterns."""
    return LIGHTS if wide in LANDSCAPES else COLOURS[:6]


def place_thing(shape: str, colour: str, texture: str = "solid", place: str = "center", radius: float | None = None) -> Thing:
    """An object standing upright at the middle of its place; `radius` .13 to .27, by default one that leaves room for a second."""
    _known("place", place, PLACES)
    x, y = CENTRES[place]
    return Thing(shape, colour, texture, place, x, y, 0.18 if radius is None else radius)


def random_scene(seed: int | np.random.Generator, two: float = 0.4, wide: float = 0.08, held_out: bool | None = False) -> Scene:
    """A scene drawn at random; the same seed gives the same scene.

    two, wide: shares of two-object and wide scenes. held_out: False draws objects for training, True only the combinations of
    shape, colour and texture that training never shows, None any.
    """
    rng = np.random.default_rng(seed)
    if rng.random() < wide:
        name = WIDE[rng.integers(len(WIDE))]
        return Scene(wide=name, tone=str(rng.choice(tones(name))), seed=int(rng.integers(1 << 31)))
    background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    if rng.random() < two:
        places = OPPOSITES[rng.integers(len(OPPOSITES))]
        things = tuple(_random_thing(rng, background, place, (0.15, 0.2), held_out) for place in places)
    else:
        things = (_random_thing(rng, background, PLACES[rng.integers(len(PLACES))], (0.16, 0.25), held_out),)
    return Scene(background, things)


def is_held_out(thing: Thing) -> bool:
    """True for the twentieth of the (shape, colour, texture) combinations that training never shows."""
    shape, colour, texture = SHAPES.index(thing.shape), COLOURS.index(thing.colour), TEXTURES.index(thing.texture)
    return (shape * 7 + colour * 3 + texture * 5) % 20 == 0


def caption(scene: Scene, drop: float = 0.0, seed: int | np.random.Generator = 0, style: float | None = None) -> str:
    """The scene in words: "a red striped circle on the left and a green solid star on the right on a blue background".

    drop: the chance with which each attribute is left out; a shape that is left out is called "shape". style: the same for colours,
    textures, lights and backgrounds alone, by default `drop`.
    """
    rng = np.random.default_rng(seed)
    style = drop if style is None else style

    def kept(chance: float) -> bool:
        return chance == 0 or rng.random() >= chance

    if scene.wide in LANDSCAPES:
        return f"{scene.wide} at {scene.tone}" if kept(style) else scene.wide
    if scene.wide is not None:
        return f"{scene.tone} {scene.wide}" if kept(style) else scene.wide
    said = []
    for thing in scene.things:
        words = [thing.colour if kept(style) else "", thing.texture if kept(style) else "", thing.shape if kept(drop) else "shape"]
        words.append(PHRASES[thing.place] if kept(drop) else "")
        text = " ".join(word for word in words if word)
        said.append(f"{'an' if text[0] in 'aeiou' else 'a'} {text}")
    text = " and ".join(said)
    if not said or kept(style):
        article = "an" if scene.background[0] in "aeiou" else "a"
        text = f"{text} on {article} {scene.background} background" if said else f"{article} {scene.background} background"
    return text


def _random_thing(rng: np.random.Generator, background: str, place: str, radii: tuple[float, float], held_out: bool | None) -> Thing:
    x, y = CENTRES[place]
    while True:
        colour = COLOURS[rng.integers(len(COLOURS))]
        radius = float(rng.uniform(*radii))
        reach = 1.2 * radius + 0.01
        thing = Thing(
            shape=SHAPES[rng.integers(len(SHAPES))],
            colour=colour,
            texture=TEXTURES[rng.integers(len(TEXTURES))],
            place=place,
            x=min(max(x + float(rng.uniform(-0.03, 0.03)), reach), 1 - reach),  # whole on a square canvas
            y=min(max(y + float(rng.uniform(-0.03, 0.03)), reach), 1 - reach),
            radius=radius,
            angle=float(rng.uniform(-0.2, 0.2)),
        )
        if colour != background and (held_out is None or is_held_out(thing) == held_out):
            return thing


def _known(what: str, value: str | None, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise ConcordError(f"The practice world has no {what} {value!r}; it has {', '.join(accepted)}.")
