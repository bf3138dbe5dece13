"""One labelled sheet of pictures."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .pictures import write

WIDTH, HEIGHT, GAP = 1600, 160, 14
PAPER, INK, PALE = (250, 249, 246), (30, 30, 34), (110, 110, 118)


@dataclass(frozen=True)
class Text:
    words: str
    at: tuple[int, int]
    size: int
    colour: tuple[int, int, int]


def sheet(chapters: dict[str, dict[str, list[Path]]], path: Path) -> Path:
    """Chapters of labelled rows of pictures, all of one height, wrapped to the sheet's width; -> the PNG that was written."""
    texts: list[Text] = []
    pictures: list[tuple[Image.Image, tuple[int, int]]] = []
    y = GAP
    for chapter, rows in chapters.items():
        texts.append(Text(chapter, (GAP, y), 22, INK))
        y += 32
        for label, files in rows.items():
            texts.append(Text(label, (GAP, y), 15, PALE))
            y = _row(files, y + 22, pictures)
        y += GAP
    width = max([480, *(x + picture.width + GAP for picture, (x, _) in pictures)])
    page = Image.new("RGB", (width, y), PAPER)
    draw = ImageDraw.Draw(page)
    for text in texts:
        draw.text(text.at, text.words, text.colour, font=ImageFont.load_default(size=text.size))
    for picture, at in pictures:
        page.paste(picture, at)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(page, path)
    return path


def _row(files: list[Path], y: int, pictures: list[tuple[Image.Image, tuple[int, int]]]) -> int:
    """Places pictures from the left, in new lines where needed; -> where the next row begins."""
    x = GAP
    for file in files:
        with Image.open(file) as raw:
            picture = _scaled(raw.convert("RGB"))
        if x > GAP and x + picture.width + GAP > WIDTH:
            x, y = GAP, y + HEIGHT + GAP
        pictures.append((picture, (x, y)))
        x += picture.width + GAP
    return y + HEIGHT + GAP


def _scaled(picture: Image.Image) -> Image.Image:
    scale = min(HEIGHT / picture.height, (WIDTH - 2 * GAP) / picture.width)
    return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS)
