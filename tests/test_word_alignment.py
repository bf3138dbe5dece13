"""Which words of two prompts stand for each other: the authors' tables to the bit, and what theirs do not reach (more than 77 tokens).

`prompt_to_prompt_tables.json` was made by the authors' `seq_aligner.py` (google/prompt-to-prompt, as inbarhub/DDPM_inversion at 58fc881 carries it), run
outside this project with transformers' CLIPTokenizer over its pairs of prompts: `mapper` and the sha256 (16 digits) of the bytes of the mapper (int64), its
alphas (float32) and the replacement table (float32; null where the code refuses unequal numbers of words), all for 77 tokens.
"""
from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from concord.processors.attention.word_alignment import columns, refinement, replacement, spoken
from concord.processors.errors import ConcordError
from torch import Tensor

from .prompts import prompt

PAIRS = json.loads((Path(__file__).parent / "prompt_to_prompt_tables.json").read_text(encoding="utf-8"))


def digest(t: Tensor) -> str:
    return sha256(t.contiguous().numpy().tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair['source'][:20]}, {pair['target'][:20]}")
def test_the_authors_tables(pair):
    source, target = prompt(pair["source"]), prompt(pair["target"])
    mapper, there = refinement(source, target)
    assert mapper[: len(pair["mapper"])].tolist() == pair["mapper"]
    assert digest(mapper) == pair["mapper_digest"] and digest(there) == pair["alphas_digest"]
    if pair["replacement_digest"]:
        assert digest(replacement(source, target)) == pair["replacement_digest"]
    else:
        with pytest.raises(ConcordError, match="replace swaps words one for one"):
            replacement(source, target)


def test_enough_pairs_of_both_kinds():
    assert len(PAIRS) >= 50 and sum(bool(pair["replacement_digest"]) for pair in PAIRS) >= 30


@pytest.mark.parametrize("n", (1, 2, 3))
def test_equal_prompts_map_every_token_to_itself(n):
    same = prompt("tree river " * (37 * n))
    assert same.chunks == n
    mapper, there = refinement(same, same)
    assert mapper.tolist() == list(range(77 * n)) and bool(there.all())
    assert torch.equal(replacement(same, same), torch.eye(77 * n)) and torch.equal(columns(mapper, there), torch.eye(77 * n))


def test_words_that_moved_into_another_chunk_are_found():
    """One word more in front: the last word of the first chunk begins the second."""
    source, target = prompt("red " * 70 + "cat dog hill star moon sun"), prompt("blue " + "red " * 70 + "cat dog hill star moon sun")
    mapper, there = refinement(source, target)
    assert source.chunks == target.chunks == 2
    found = {target.spelled((t,)): source.spelled((int(mapper[t]),)) if there[t] else None for t in target.said}
    assert found == {word: word for word in ("red", "cat", "dog", "hill", "star", "moon", "sun")} | {"blue": None}
    moved = [t for t in target.said if there[t] and t // 77 != int(mapper[t]) // 77]
    assert [target.spelled((t,)) for t in moved] == ["moon"]
    ends = [76, 77 + 1 + len([t for t in target.said if t > 77])]
    assert mapper[0] == 0 and mapper[77] == 77 and int(mapper[ends[1]]) == 77 + 1 + len([s for s in source.said if s > 77])


def test_a_swap_that_moves_words_into_another_chunk():
    """A longer word in the first chunk: every word still takes the maps of the word in its place."""
    source, target = prompt("cat " + "red " * 74 + "star moon"), prompt("skateboarders " + "red " * 74 + "star sun")
    table = replacement(source, target)
    assert spoken(source, target, table)[0] == ("skateboarders", "cat") and spoken(source, target, table)[-2:] == [("star", "star"), ("sun", "moon")]
    assert torch.equal(table[1, 1:4], torch.full((3,), 1 / 3)) and torch.allclose(table[:, list(target.said)].sum(0)[3:], torch.ones(len(target.said) - 3))
    assert table[0, 0] == table[77, 77] == 1 and table[76, 76] == 1


def test_what_people_read():
    source, target = prompt("a cat on a hill"), prompt("a fluffy cat on a mountain")
    assert spoken(source, target, columns(*refinement(source, target))) == [
        ("a", "a"), ("fluffy", ""), ("cat", "cat"), ("on", "on"), ("a", "a"), ("mountain", "")]
    assert spoken(prompt("a cat"), prompt("a labradoodle"), replacement(prompt("a cat"), prompt("a labradoodle"))) == [("a", "a"), ("labradoodle", "cat")]


def test_prompts_of_different_lengths_are_equalised_first():
    short, long = prompt("a cat"), prompt("a cat " * 40)
    mapper, there = refinement(short.longer(2), long)
    assert len(mapper) == 154 and int(there.sum()) > 70
