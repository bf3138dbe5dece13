"""Lists as artists write them: with commas or line ends between."""
from __future__ import annotations


def pieces(text: str) -> list[str]:
    """What stands between commas or line ends, without the spaces around it; nothing is no piece."""
    return [piece for piece in (part.strip() for part in text.replace("\n", ",").split(",")) if piece]
