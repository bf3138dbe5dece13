"""Prompts read without a text encoder, for tests of what is done with their words."""
from __future__ import annotations

from concord.hosts.diffusers.loading.bpe import token_ids, token_text
from concord.processors.words import BEGIN, CHUNK, END, Prompt, read


def prompt(text: str) -> Prompt:
    """As the hosts read a text without weights: chunks of up to 75 tokens, the second of words that do not fit the first."""
    ids: list[int] = []
    said = token_ids(text)
    for start in range(0, max(1, len(said)), CHUNK - 2):
        chunk = [BEGIN, *said[start : start + CHUNK - 2], END]
        ids += chunk + [END] * (CHUNK - len(chunk))
    return read([(token, token_text(token), 1.0) for token in ids], text)
