"""The gallery sheet holds every picture whole, inside its bounds, under its label."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from concord.hosts.diffusers.graph.gallery import HEIGHT, PAPER, WIDTH, sheet
from PIL import Image


def test_all_pictures_are_on_the_sheet(tmp_path: Path) -> None:
    colours = {"red": (64, 64), "lime": (300, 100), "blue": (4000, 100), "aqua": (10, 200)}
    for colour, size in colours.items():
        Image.new("RGB", size, colour).save(tmp_path / f"{colour}.png")
    files = [tmp_path / f"{colour}.png" for colour in colours]
    page = np.asarray(Image.open(sheet({"one": {"a": files, "b": files[:1] * 12}, "two": {"c": files[1:2]}}, tmp_path / "sub" / "sheet.png")).convert("RGB"))
    area = {c: int((page == np.array(Image.new("RGB", (1, 1), c))[0, 0]).all(-1).sum()) for c in colours}
    assert area["red"] == 13 * HEIGHT**2 and area["lime"] == 2 * HEIGHT * 3 * HEIGHT and area["aqua"] == HEIGHT * 8
    assert area["blue"] == 1572 * 39 and page.shape[1] <= WIDTH
    assert (page[:, :10] == PAPER).all() and (page[:60] != PAPER).any()  # a free margin, a title
