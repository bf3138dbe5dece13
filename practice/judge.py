"""The judge: what a picture of the world shows. Exact measures where they exist, else a small classifier.

Exact: the background (median colour of the frame), whether there is an object, its outline box and its place. The classifier
names shape, texture and colour of a cut-out object; it is trained on true renders only, before the model, and never sees
a generated picture. A constant or non-finite picture shows nothing and scores 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .drawing import PALETTE, render
from .model import WEIGHTS
from .world import BACKGROUNDS, CENTRES, COLOURS, PLACES, SHAPES, TEXTURES, Scene, random_scene

CUT = 48  # pixels: objects are cut out and scaled to this
FAR = 0.22  # distance in RGB 0..1 from the background above which a pixel belongs to an object
HALVES = {"left": (0.0, 0.0, 0.5, 1.0), "right": (0.5, 0.0, 1.0, 1.0), "top": (0.0, 0.0, 1.0, 0.5), "bottom": (0.0, 0.5, 1.0, 1.0)}


@dataclass(frozen=True)
class Seen:
    """One object in a picture: its box as fractions of the picture, its place, and the cut-out [3, 48, 48] 0..1."""

    box: tuple[float, float, float, float]
    place: str
    cut: Tensor


class Classifier(nn.Module):
    """Cut-outs [B, 3, 48, 48] 0..1 -> logits of shape [B, 6], texture [B, 4], colour [B, 8]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inner, outer, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 96, 2), (96, 96, 1)):
            layers += [nn.Conv2d(inner, outer, 3, stride, 1), nn.GroupNorm(8, outer), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2))
        self.heads = nn.ModuleList(nn.Linear(96 * (CUT // 8) ** 2, len(names)) for names in (SHAPES, TEXTURES, COLOURS))

    def forward(self, cuts: Tensor) -> list[Tensor]:
        features = self.body(cuts * 2 - 1)
        return [head(features) for head in self.heads]


def is_picture(image: Tensor) -> bool:
    """False for a constant or non-finite picture."""
    return bool(torch.isfinite(image).all()) and float(image.amax() - image.amin()) > 0.05


def background(image: Tensor) -> tuple[str, Tensor]:
    """The background's name and its colour [3] 0..1: the median of a two-pixel frame."""
    frame = torch.cat([image[:, :2].flatten(1), image[:, -2:].flatten(1), image[:, :, :2].flatten(1), image[:, :, -2:].flatten(1)], 1)
    colour = frame.median(1).values
    palette = torch.tensor([PALETTE[name] for name in BACKGROUNDS]) / 255
    return BACKGROUNDS[int((palette - colour[:, None].T).norm(dim=1).argmin())], colour


def foreground(image: Tensor) -> Tensor:
    """What differs from the background [y, x] bool, without specks and hairlines under three pixels."""
    far = ((image - background(image)[1][:, None, None]).norm(dim=0) > FAR).float()[None, None]
    eroded = -F.max_pool2d(-F.pad(far, (1, 1, 1, 1), value=1.0), 3, 1)
    return (F.max_pool2d(eroded, 3, 1, 1)[0, 0] * far[0, 0]).bool()


def find(image: Tensor, half: str | None = None) -> Seen | None:
    """The object in a picture [3, y, x] 0..1 (or in one half of it), or None: nothing there, or no background left."""
    if not is_picture(image):
        return None
    _, height, width = image.shape
    x0, y0, x1, y1 = HALVES[half] if half else (0.0, 0.0, 1.0, 1.0)
    mask = torch.zeros(height, width, dtype=torch.bool)
    window = slice(round(y0 * height), round(y1 * height)), slice(round(x0 * width), round(x1 * width))
    mask[window] = foreground(image)[window]
    if not 30 <= mask.sum() <= 0.7 * mask[window].numel():
        return None
    ys, xs = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    top, bottom, left, right = int(ys[0]), int(ys[-1]) + 1, int(xs[0]), int(xs[-1]) + 1
    middle = ((left + right) / 2 / width, (top + bottom) / 2 / height)
    place = min(PLACES, key=lambda name: (CENTRES[name][0] - middle[0]) ** 2 + (CENTRES[name][1] - middle[1]) ** 2)
    return Seen((left / width, top / height, right / width, bottom / height), place, cut_out(image, left, top, right, bottom))


def cut_out(image: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    """The square around a pixel box, a tenth wider, scaled to [3, 48, 48]; the background goes on beyond the border."""
    side = int(max(right - left, bottom - top) * 1.1) + 2
    x, y = (left + right - side) // 2, (top + bottom - side) // 2
    square = background(image)[1][:, None, None].expand(3, side, side).clone()
    _, height, width = image.shape
    ys, xs = slice(max(y, 0), min(y + side, height)), slice(max(x, 0), min(x + side, width))
    square[:, ys.start - y : ys.stop - y, xs.start - x : xs.stop - x] = image[:, ys, xs]
    return F.interpolate(square[None], (CUT, CUT), mode="bilinear", antialias=True)[0]


def find_all(image: Tensor, scene: Scene) -> list[Seen | None]:
    """For each object of the scene what stands where it should: the whole picture for one object, its half for one of two."""
    if len(scene.things) == 1:
        return [find(image)]
    return [find(image, thing.place) for thing in scene.things]


class Judge:
    """Names what pictures show."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier.eval()

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> Judge:
        from .model import load_into

        return cls(load_into(Classifier(), folder / "judge.safetensors"))

    @torch.no_grad()
    def names(self, cuts: list[Tensor]) -> list[tuple[str, str, str]]:
        """(shape, texture, colour) of each cut-out."""
        if not cuts:
            return []
        shape, texture, colour = (logits.argmax(1).tolist() for logits in self.classifier(torch.stack(cuts)))
        return [(SHAPES[s], TEXTURES[t], COLOURS[c]) for s, t, c in zip(shape, texture, colour, strict=True)]


def true_cuts(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Cut-outs of true renders [n, 3, 48, 48] and their classes [n, 3]: shape, texture, colour."""
    rng, cuts, classes = np.random.default_rng(seed), [], []
    while len(cuts) < count:
        scene = random_scene(rng, two=0.5, wide=0.0, held_out=None)
        for thing, seen in zip(scene.things, find_all(render(scene).image, scene), strict=True):
            if seen is not None:
                cuts.append(seen.cut)
                classes.append((SHAPES.index(thing.shape), TEXTURES.index(thing.texture), COLOURS.index(thing.colour)))
    return torch.stack(cuts), torch.tensor(classes)


class JudgeLoss:
    """Cross-entropy of the three names on true renders, slightly blurred, shifted and noised so that it reads soft edges too."""

    def __init__(self, classifier: Classifier, count: int, device: torch.device, seed: int = 0) -> None:
        self.classifier, self.device = classifier, device
        self.cuts, self.classes = true_cuts(count, seed)

    def __call__(self, step: int, batch: int) -> Tensor:
        picked = torch.randint(len(self.cuts), (batch,))
        cuts, classes = self.cuts[picked].to(self.device), self.classes[picked].to(self.device)
        if step % 2:
            cuts = F.avg_pool2d(F.pad(cuts, (1, 1, 1, 1), mode="replicate"), 3, 1)
        shift = tuple(torch.randint(-3, 4, (2,)).tolist())
        cuts = torch.roll(cuts, shift, (2, 3)) + 0.03 * torch.randn_like(cuts)
        return sum((F.cross_entropy(logits, classes[:, n]) for n, logits in enumerate(self.classifier(cuts))), torch.zeros((), device=self.device))
