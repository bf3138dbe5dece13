"""Pictures put together: rows, columns, captions."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Picture = Image.Image
PAPER, INK, GAP = (250, 249, 246), (40, 40, 44), 4


def to_picture(image: Tensor) -> Picture:
    """[1, y, x, 3] 0..1"""
    return Image.fromarray((image[0] * 255).clamp(0, 255).byte().numpy())


def scaled(picture: Picture, width: int) -> Picture:
    """In its own proportions."""
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


def row(pictures: Sequence[Picture], gap: int = GAP) -> Picture:
    """Side by side, top edges in line."""
    page = Image.new("RGB", (sum(p.width + gap for p in pictures) - gap, max(p.height for p in pictures)), PAPER)
    x = 0
    for picture in pictures:
        page.paste(picture, (x, 0))
        x += picture.width + gap
    return page


def column(pictures: Sequence[Picture], gap: int = GAP) -> Picture:
    """One below the other, left edges in line."""
    page = Image.new("RGB", (max(p.width for p in pictures), sum(p.height + gap for p in pictures) - gap), PAPER)
    y = 0
    for picture in pictures:
        page.paste(picture, (0, y))
        y += picture.height + gap
    return page


def line(text: str, width: int, size: int = 18) -> Picture:
    """A line of text on paper."""
    page = Image.new("RGB", (width, round(size * 1.6)), PAPER)
    ImageDraw.Draw(page).text((2, round(size * 0.2)), text, INK, font=ImageFont.load_default(size=size))
    return page


def framed(picture: Picture, margin: int) -> Picture:
    """With paper round it."""
    page = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin), PAPER)
    page.paste(picture, (margin, margin))
    return page


def squared(picture: Picture) -> Picture:
    """In the middle of a square of paper."""
    side = max(picture.size)
    page = Image.new("RGB", (side, side), PAPER)
    page.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return page
