"""The words that the practice model knows, under their real CLIP token ids.

Every word is one token of CLIP's BPE, so any host's CLIP tokenizer feeds the model. The embedding table holds only the
rows in use: row 0 the begin token, row 1 the end token (also the padding), then the words in order, then one row for every
token the model does not know. That last row was trained as random extra words in captions, so the model has learned to pass over it: better
than zeros or a mean, which it would take for a word it never saw.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

BEGIN, END, VOCABULARY, LENGTH = 49406, 49407, 49408, 77
WORDS = {
    "a": 320, "an": 550, "and": 537, "on": 525, "at": 536, "in": 530, "the": 518, "of": 539,
    "left": 1823, "right": 1155, "top": 1253, "bottom": 5931, "center": 2119, "background": 5994,
    "red": 736, "green": 1901, "blue": 1746, "yellow": 4481, "purple": 5496, "orange": 4287, "white": 1579, "black": 1449,
    "circle": 7117, "square": 3999, "triangle": 14615, "star": 1565, "heart": 1936, "cross": 3417,
    "solid": 6148, "striped": 22192, "dotted": 47950, "sketch": 5269,
    "shape": 6448, "mountains": 5873, "hills": 5289, "sea": 2102, "city": 1305, "forest": 4167,
    "bricks": 21029, "waves": 7882, "tiles": 10607, "noon": 2347, "sunset": 3424, "night": 930,
}  # fmt: skip
ROWS = 2 + len(WORDS) + 1
UNKNOWN = ROWS - 1


def unknown_words(text: str) -> list[str]:
    """The words of a prompt that the practice model does not know, each once, in order of appearance."""
    return list(dict.fromkeys(word for word in split(text) if word not in WORDS))


def unknown_message(unknown: list[str]) -> str:
    """What to tell someone who wrote words that the model does not know."""
    return f"the practice model does not know {', '.join(unknown)}; it passes over them. It knows: {', '.join(WORDS)}"


def split(text: str) -> list[str]:
    """The words of a prompt, in lower case; numbers count as words, punctuation and prompt weights (:1.2) do not."""
    return re.findall(r"[a-z0-9']+", re.sub(r":\s*-?[\d.]+", " ", text.lower()))


def rows(text: str) -> list[int]:
    """A caption as the 77 rows of the compact embedding table; words past the 75th are cut."""
    order = {word: row for row, word in enumerate(WORDS, start=2)}
    said = [order.get(word, UNKNOWN) for word in split(text)][: LENGTH - 2]
    return [0, *said, *[1] * (LENGTH - 1 - len(said))]


def expand(compact: Tensor) -> Tensor:
    """Compact embedding rows [rows, width] -> CLIP's whole table [49408, width]."""
    table = compact[UNKNOWN].repeat(VOCABULARY, 1)
    table[torch.tensor([BEGIN, END, *WORDS.values()])] = compact[:UNKNOWN]
    return table
