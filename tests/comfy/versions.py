"""Which ComfyUI is this: for the few facts that changed between releases."""
from __future__ import annotations

import re
from pathlib import Path


def version(comfy: Path) -> tuple[int, ...]:
    text = (comfy / "comfyui_version.py").read_text()
    return tuple(int(part) for part in re.search(r'__version__ = "([\d.]+)"', text)[1].split("."))
