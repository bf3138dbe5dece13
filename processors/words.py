"""What a tokenizer made of a prompt, and where in it a word stands.

CLIP reads chunks of 77 tokens: one that begins, up to 75 of the text, one that ends, padding. A long prompt is several chunks, one after the other.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from unicodedata import normalize

from torch import Tensor

from .edit import feed
from .errors import ConcordError

CHUNK = 77
BEGIN, END = 49406, 49407
WORD_END = "</w>"  # what the vocabulary writes at the end of a word
NO_WORD = -1
NAMED = "embedding:"  # how a prompt asks for a textual inversion


@dataclass(frozen=True)
class Prompt:
    """The tokens of a prompt, 77 a chunk: token n is row n of the encoded prompt. Made by `read`."""

    ids: tuple[int, ...]  # below 0: the vectors of a textual inversion, equal for equal vectors
    texts: tuple[str, ...]  # the vocabulary's entries, "red</w>"; "" for vectors
    weights: tuple[float, ...]  # as the text encoder applies them
    places: tuple[int, ...]  # the number of the word, as spaces divide the text; -1: begin, end and padding

    @property
    def chunks(self) -> int:
        return len(self.ids) // CHUNK

    @cached_property
    def said(self) -> tuple[int, ...]:
        """The positions of the text's own tokens."""
        return tuple(i for i, place in enumerate(self.places) if place != NO_WORD)

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The positions of each word's tokens, words as spaces divide the text: "cat," is one of two tokens."""
        found: dict[int, list[int]] = {}
        for i in self.said:
            found.setdefault(self.places[i], []).append(i)
        return tuple(map(tuple, found.values()))

    def spelled(self, group: Sequence[int]) -> str:
        """What the tokens at these positions say, in lower case; the vectors of a textual inversion say "(embedding)"."""
        known = {letter: byte for byte, letter in byte_letters().items()}
        return bytes(known[letter] for i in group for letter in self.texts[i].removesuffix(WORD_END)).decode(errors="replace") or "(embedding)"

    def longer(self, chunks: int) -> Prompt:
        """The same with encoded empty chunks behind it, `chunks` in all."""
        more = chunks - self.chunks
        return Prompt(self.ids + (BEGIN, *[END] * (CHUNK - 1)) * more, self.texts + ("",) * CHUNK * more, self.weights + (1.0,) * CHUNK * more,
                      self.places + (NO_WORD,) * CHUNK * more)


def read(tokens: Iterable[tuple[int | Tensor, str, float]], text: str) -> Prompt:
    """tokens: all of a prompt's, each with the vocabulary's entry ("" for a vector) and its weight; text: the prompt without weights and brackets."""
    known = ((token if isinstance(token, int) else vector_id(token), entry, weight) for token, entry, weight in tokens)
    ids, texts, weights = zip(*known, strict=True)
    if len(ids) % CHUNK:
        raise ConcordError(f"the prompt was read as {len(ids)} tokens; Concord knows the words of CLIP, which reads {CHUNK} at once: "
                           "use the CLIP of a Stable Diffusion 1.x or XL checkpoint")
    said = []
    for start in range(0, len(ids), CHUNK):
        ends = next((i for i in range(start + 1, start + CHUNK) if ids[i] == END), start + CHUNK)
        said += range(start + 1, ends)
    places = dict(zip(said, numbered([texts[i].removesuffix(WORD_END) for i in said], text), strict=True))
    return Prompt(ids, texts, weights, tuple(places.get(i, NO_WORD) for i in range(len(ids))))


def numbered(tokens: Sequence[str], text: str) -> list[int]:
    """For each token the number of the word, as spaces divide the text, that it is a part of; the vectors of a textual inversion are a word of their own."""
    words = [letters(word) for word in text.split() if not word.startswith(NAMED)]
    number, rest, after, vectors = -1, "", 0, False  # the word, what is left of it, the place of the one after it
    found = []
    for token in tokens:
        goes_on = vectors if token == "" else rest.startswith(token)
        if goes_on:
            rest = rest[len(token) :]
        else:
            number, rest = number + 1, ""
            begun = next((n for n in range(after, min(after + 2, len(words))) if token and words[n].startswith(token)), None)
            if begun is not None:
                rest, after = words[begun][len(token) :], begun + 1
        vectors = token == ""
        found.append(number)
    return found


def words(prompt: Prompt) -> tuple[str, ...]:
    """The words of a prompt as spaces divide it, in lower case, in order."""
    return tuple(map(prompt.spelled, prompt.groups))


def positions(prompt: Prompt, phrase: str) -> tuple[int, ...]:
    """Where the tokens of a word, or of several words in this order, stand in the encoded prompt: rows of its 77 n, every time that they occur.

    Case does not count. "cat" is found in "cat, sitting" and in "cat's", not in "cats". A phrase that is not there is a ConcordError that lists the words.
    """
    asked = [letters(word) for word in phrase.split()]
    found = dict.fromkeys(i for start in range(len(prompt.said)) for i in occurrence(prompt, start, asked))
    if not found:
        there = ", ".join(dict.fromkeys(word.strip(".,;:!?") or word for word in words(prompt))) or "none"
        raise ConcordError(f"{phrase.strip()!r} is not among the words of the prompt; it has: {there}")
    return tuple(found)


def all_positions(prompt: Prompt, phrases: Iterable[str]) -> tuple[int, ...]:
    """The positions of several phrases, each position once."""
    return tuple(dict.fromkeys(place for phrase in phrases for place in positions(prompt, phrase)))


def check_length(tokens: Sequence[int], length: int, place: object, technique: str) -> None:
    """Refuses positions beyond the prompt of `length` tokens that reaches a place of the network."""
    if tokens and max(tokens) >= length:
        raise ConcordError(f"{technique} looks for token {max(tokens)} of the prompt, but the prompt at {place} has {length}; "
                           "give it the text that the model is told")


def occurrence(prompt: Prompt, start: int, asked: Sequence[str]) -> tuple[int, ...]:
    """The positions of the asked words where they begin with the `start`-th token of the text; () where they do not."""
    said = prompt.said
    if start and not prompt.texts[said[start - 1]].endswith(WORD_END) and prompt.texts[said[start - 1]]:
        return ()
    at = start
    for word in asked:
        first, so_far = at, ""
        while at < len(said) and len(so_far) < len(word) and prompt.places[said[at]] == prompt.places[said[first]]:
            so_far += prompt.texts[said[at]].removesuffix(WORD_END)
            at += 1
        if so_far != word or not prompt.texts[said[at - 1]].endswith(WORD_END):
            return ()
    return said[start:at]


def mark(prompts: Iterable[Prompt]) -> str:
    """A short name for these prompts together: the same for the same tokens."""
    return sha256(repr([prompt.ids for prompt in prompts]).encode()).hexdigest()[:16]


def letters(word: str) -> str:
    """A word as the vocabulary writes it: one letter for each byte, in lower case."""
    known = byte_letters()
    return "".join(known[byte] for byte in normalize("NFC", word).lower().encode())


@cache
def byte_letters() -> dict[int, str]:
    """byte -> the letter that CLIP's vocabulary writes for it, in the vocabulary's order: printable bytes stand for themselves, the others for the
    letters that follow Latin-1."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def vector_id(vector: Tensor) -> int:
    digest = sha256()
    feed(digest, vector)
    return -1 - int.from_bytes(digest.digest()[:6])
