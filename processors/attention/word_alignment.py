"""Which tokens of one prompt stand for which of another: the tables of Prompt-to-Prompt, as its authors' code makes them.

Hertz et al., arXiv 2208.01626. A table says what becomes of the columns of attention maps:  A_target = A_source columns.
Long prompts (both of equally many chunks of 77) are aligned over all their words; what begins, ends and fills a chunk keeps its chunk.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import ConcordError
from ..words import CHUNK, NO_WORD, Prompt, words

GAP, MATCH, MISMATCH = 0, 1, -1
NEW = -1  # stands for no token of the source


def replacement(source: Prompt, target: Prompt) -> Tensor:
    """[M, M] for prompts that differ word by word: a changed word's tokens take the maps of the word in its place. Needs equally many words.

    One to one where both words have equally many tokens, else each token takes all of the other word's in equal parts. As in the authors' code, tokens
    after the last changed word take the maps at their own position, also where the changed words have shifted them.
    """
    ours, theirs = source.groups, target.groups
    if len(ours) != len(theirs):
        raise ConcordError(f"replace swaps words one for one, but the source has {len(ours)} words ({', '.join(words(source))}) and the target {len(theirs)} "
                           f"({', '.join(words(target))}); write equally many, or use refine")
    if any(chunks_of(s) != chunks_of(t) for s, t in zip(ours, theirs, strict=True)):
        return word_by_word(source, target)
    table = torch.zeros(len(source.ids), len(target.ids), dtype=torch.float64)
    changed = [(s, t) for s, t in zip(ours, theirs, strict=True) if entries(source, s) != entries(target, t)]
    for start in range(0, len(table), CHUNK):
        left = [pair for pair in changed if pair[0][0] // CHUNK == start // CHUNK]
        i = j = start
        while max(i, j) < start + CHUNK:
            if left and left[0][0][0] == i:
                s, t = left.pop(0)
                swap(table, s, t)
                i, j = i + len(s), j + len(t)
            else:
                table[i if left else j, j] = 1
                i, j = i + 1, j + 1
    return table.float()


def word_by_word(source: Prompt, target: Prompt) -> Tensor:
    """[M, M] where a change of length has moved words into another chunk: every word takes the maps of the word in its place, wherever that is."""
    table = torch.zeros(len(source.ids), len(target.ids), dtype=torch.float64)
    for s, t in zip(source.groups, target.groups, strict=True):
        swap(table, s, t)
    for n in range(len(table)):
        if target.places[n] == NO_WORD:
            table[counterpart(source, target, n), n] = 1
    return table.float()


def swap(table: Tensor, s: Sequence[int], t: Sequence[int]) -> None:
    if len(s) == len(t):
        table[list(s), list(t)] = 1
    else:
        table[torch.tensor(s)[:, None], torch.tensor(t)] = 1 / len(t)


def chunks_of(group: Sequence[int]) -> set[int]:
    return {i // CHUNK for i in group}


def entries(prompt: Prompt, group: Sequence[int]) -> list[int]:
    return [prompt.ids[i] for i in group]


def refinement(source: Prompt, target: Prompt) -> tuple[Tensor, Tensor]:
    """For prompts in which words come and go: the longest common sequence of tokens. -> for each token of the target the token of the source that it
    stands for, -1 for a new one [M]; and 1 for those that are there, 0 for new ones [M]."""
    aligned = dict(zip(target.said, align(entries(source, source.said), entries(target, target.said)), strict=True))
    mapper = [counterpart(source, target, n) if n not in aligned else NEW if aligned[n] == NEW else source.said[aligned[n]] for n in range(len(target.ids))]
    table = torch.tensor(mapper)
    return table, (table != NEW).float()


def counterpart(source: Prompt, target: Prompt, n: int) -> int:
    """Of a token that begins, ends or fills a chunk: the end of one chunk is the other's end, all else stands at its own position."""
    return ending(source, n // CHUNK) if n == ending(target, n // CHUNK) else n


def ending(prompt: Prompt, chunk: int) -> int:
    return max((i for i in prompt.said if i // CHUNK == chunk), default=CHUNK * chunk) + 1


def align(x: Sequence[int], y: Sequence[int]) -> list[int]:
    """Needleman and Wunsch: for each of y its partner in x, or -1. Among equally good ways a gap in x goes before a gap in y, and that before a pair."""
    score = [[0] * (len(y) + 1) for _ in range(len(x) + 1)]
    for i in range(1, len(x) + 1):
        for j in range(1, len(y) + 1):
            score[i][j] = max(ways(score, x, y, i, j))
    i, j, partner = len(x), len(y), [NEW] * len(y)
    while i and j:
        left, up, _ = ways(score, x, y, i, j)
        if score[i][j] == left:
            j -= 1
        elif score[i][j] == up:
            i -= 1
        else:
            i, j = i - 1, j - 1
            partner[j] = i
    return partner


def ways(score: Sequence[Sequence[int]], x: Sequence[int], y: Sequence[int], i: int, j: int) -> tuple[int, int, int]:
    """What each last move to (i, j) is worth: y alone goes on, x alone, both."""
    return score[i][j - 1] + GAP, score[i - 1][j] + GAP, score[i - 1][j - 1] + (MATCH if x[i - 1] == y[j - 1] else MISMATCH)


def columns(mapper: Tensor, there: Tensor) -> Tensor:
    """A refinement as a table [M, M]: column n has its one at mapper[n], new tokens have none."""
    table = torch.zeros(len(mapper), len(mapper))
    at = torch.arange(len(mapper))
    table[mapper.clamp(min=0), at] = there
    return table


def spoken(source: Prompt, target: Prompt, table: Tensor) -> list[tuple[str, str]]:
    """For people: each word of the target, and the words of the source whose maps it takes ("" for a new one)."""
    found = []
    for group in target.groups:
        taken = table[:, list(group)].sum(1)
        found.append((target.spelled(group), " ".join(source.spelled(s) for s in source.groups if taken[list(s)].any())))
    return found
