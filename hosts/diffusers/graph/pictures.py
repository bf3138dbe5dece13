"""PNG files as ComfyUI writes them: `prefix_00001_.png` inside the output folder, with the workflow in text chunks; never half a file."""
from __future__ import annotations

import json
import os
import re
import tempfile
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ....processors.errors import ConcordError

DATE = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "hh": "%H", "mm": "%M", "ss": "%S"}
PARTS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}


def save(images: Tensor, prefix: str, folder: Path, texts: dict[str, Any], kind: str = "output", level: int = 4) -> list[dict[str, str]]:
    """Images [B, y, x, 1|3|4] 0..1 -> written files, as ComfyUI reports them: {"filename", "subfolder" (of `folder`), "type"}."""
    prefix = expand(prefix, images.shape[2], images.shape[1], datetime.now())
    inside = _inside(prefix, folder)
    target = folder / inside.parent
    target.mkdir(parents=True, exist_ok=True)
    number = 1 + max((_number(path.name, inside.name) for path in target.iterdir()), default=0)
    chunks = PngInfo()
    for name, content in texts.items():
        chunks.add_text(name, json.dumps(content))
    written = []
    for index, image in enumerate(images):
        name = f"{inside.name.replace('%batch_num%', str(index))}_{number + index:05}_.png"
        write(_picture(image), target / name, chunks, level)
        written.append({"filename": name, "subfolder": "" if inside.parent == PurePosixPath(".") else str(inside.parent), "type": kind})
    return written


def write(picture: Image.Image, path: Path, chunks: PngInfo | None = None, level: int = 4) -> None:
    """The file appears complete or not at all, also when writing is interrupted."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".concord-", suffix=".png")
    try:
        with os.fdopen(handle, "wb") as file:
            picture.save(file, format="PNG", pnginfo=chunks, compress_level=level)
        os.chmod(name, 0o666 & ~_umask())  # mkstemp's files are private; pictures are ordinary ones
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def expand(prefix: str, width: int, height: int, now: datetime) -> str:
    """%width% %height% %year% %month% %day% %hour% %minute% %second% and %date:yyyy-MM-dd_hhmmss%."""

    def date(match: re.Match[str]) -> str:
        return re.sub("yyyy|yy|MM|dd|HH|hh|mm|ss", lambda part: now.strftime(DATE[part[0]]), match[1])

    prefix = re.sub(r"%date:([^%]*)%", date, prefix).replace("%width%", str(width)).replace("%height%", str(height))
    return re.sub(r"%(year|month|day|hour|minute|second)%", lambda part: now.strftime(PARTS[part[1]]), prefix)


def _inside(prefix: str, folder: Path) -> PurePosixPath:
    path = PurePosixPath(prefix.replace("\\", "/"))
    if not path.name or path.is_absolute() or ".." in path.parts or PureWindowsPath(prefix).drive or "\0" in prefix:
        raise ConcordError(f"filename_prefix {prefix!r} would lie outside of {folder}; fits: a name, with folders before it if wanted, without ..")
    if not (folder / path.parent).resolve().is_relative_to(folder.resolve()):
        raise ConcordError(f"filename_prefix {prefix!r} goes through a link that leads out of {folder}")
    return path


def _number(name: str, prefix: str) -> int:
    pattern = re.escape(prefix).replace(re.escape("%batch_num%"), r"\d+")
    match = re.fullmatch(rf"{pattern}_(\d+)_?.*\.\w+", name, re.IGNORECASE)
    return int(match[1]) if match else 0


def _picture(image: Tensor) -> Image.Image:
    """[y, x, C] 0..1 -> picture; values are cut to bytes, not rounded, as in ComfyUI."""
    pixels = (image.detach().float().cpu().numpy() * 255.0).clip(0, 255).astype("uint8")
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
