"""One labelled sheet of pictures."""
from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .pictures import write

HEIGHT, GAP, LABEL, WIDTH = 192, 16, 30, 1600
PAPER, INK = (250, 249, 246), (40, 40, 44)


def sheet(rows: dict[str, list[Path]], path: Path) -> Path:
    """Pictures under the title of their row, all of one height, wrapped to the sheet's width; -> the PNG that was written."""
    placed, titles = [], []
    y = GAP
    for title, files in rows.items():
        titles.append((title, y))
        x, y = GAP, y + LABEL
        for file in files:
            picture = _scaled(Image.open(file).convert("RGB"))
            if x > GAP and x + picture.width + GAP > WIDTH:
                x, y = GAP, y + HEIGHT + GAP
            placed.append((picture, (x, y)))
            x += picture.width + GAP
        y += HEIGHT + GAP
    page = Image.new("RGB", (min(WIDTH, max([400, *(x + p.width + GAP for p, (x, _) in placed)])), y), PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=18)
    for title, top in titles:
        draw.text((GAP, top), title, INK, font=font)
    for picture, at in placed:
        page.paste(picture, at)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(page, path)
    return path


def _scaled(picture: Image.Image) -> Image.Image:
    width = max(1, round(picture.width * HEIGHT / picture.height))
    height = HEIGHT if width <= WIDTH - 2 * GAP else round(HEIGHT * (WIDTH - 2 * GAP) / width)
    return picture.resize((min(width, WIDTH - 2 * GAP), height), Image.Resampling.LANCZOS)
