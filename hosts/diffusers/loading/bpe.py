"""CLIP's byte-pair tokenizer: text -> token ids, lower-cased, without start and end."""
from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from ....processors.words import byte_letters

START, END = 49406, 49407  # the last two of 49408
TABLE = Path(__file__).parent / "vocabulary" / "bpe_simple_vocab_16e6.txt.gz"
MERGES = 49152 - 256 - 2  # of the table's 262144, those that CLIP was trained with
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def token_ids(text: str) -> list[int]:
    """"a red cat" -> [320, 736, 2368]"""
    return _tokenizer().encode(text).ids


def token_text(token: int) -> str:
    """736 -> "red</w>": the vocabulary's entry; `</w>` marks the end of a word. "" for a number that is no token."""
    return _tokenizer().id_to_token(token) or ""


@cache
def _tokenizer() -> Tokenizer:
    letters = list(byte_letters().values())
    merges = [tuple(line.split()) for line in gzip.decompress(TABLE.read_bytes()).decode().split("\n")[1 : MERGES + 1]]
    entries = [*letters, *(letter + "</w>" for letter in letters), *(left + right for left, right in merges), "<|startoftext|>", "<|endoftext|>"]
    ids = {entry: i for i, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.add_special_tokens([AddedToken(entry, normalized=True) for entry in entries[-2:]])
    return tokenizer
