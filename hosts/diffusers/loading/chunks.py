"""A prompt -> chunks of exactly 77 (token, weight) pairs, cut as ComfyUI cuts long prompts.

A token is a vocabulary id or one vector [C] of a textual inversion. A piece of equal weight shorter than 8 tokens is not torn apart: it moves
to the next chunk.
"""
from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .bpe import END, START, token_ids
from .prompt import EMBEDDING, split_embeddings, weighted_pieces

LENGTH = 77
UNTORN = 8

Token = int | Tensor
Chunk = list[tuple[Token, float]]
FindEmbedding = Callable[[str], tuple[Tensor, str]]  # "name, more text" -> vectors [n, C], the text left over


def chunks(text: str, pad: int, find_embedding: FindEmbedding) -> list[Chunk]:
    """`pad` fills the last places after the end token: 49407 for CLIP L, 0 for CLIP G. Unlike the vectors, the words are the same for both."""
    done, open_chunk = [], [(START, 1.0)]
    for group in _groups(text, find_embedding):
        torn = len(group) >= UNTORN
        while group:
            room = LENGTH - 1 - len(open_chunk)  # the end token keeps one place
            if len(group) <= room:
                open_chunk += group
                break
            if torn:
                open_chunk += group[:room]
                group = group[room:]
            done.append(_closed(open_chunk, pad))
            open_chunk = [(START, 1.0)]
    return [*done, _closed(open_chunk, pad)]


def empty_chunk(pad: int) -> list[Token]:
    """The tokens of an empty prompt: what weights are measured against."""
    return [token for token, _ in _closed([(START, 1.0)], pad)]


def _closed(chunk: Chunk, pad: int) -> Chunk:
    return chunk + [(END, 1.0)] + [(pad, 1.0)] * (LENGTH - 1 - len(chunk))


def _groups(text: str, find_embedding: FindEmbedding) -> list[Chunk]:
    groups = []
    for piece, weight in weighted_pieces(text):
        for part in split_embeddings(piece):
            if part.startswith(EMBEDDING):
                vectors, part = find_embedding(part.removeprefix(EMBEDDING).strip("\n"))
                groups.append([(vector, weight) for vector in vectors])
            if part:
                groups.append([(token, weight) for token in token_ids(part)])
    return groups
