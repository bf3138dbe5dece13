"""Words of prompts and where their tokens stand."""
from __future__ import annotations

import pytest
import torch
from concord.processors.errors import ConcordError
from concord.processors.words import BEGIN, END, letters, mark, positions, read, words

from .prompts import prompt


def test_words_are_divided_by_spaces():
    read = prompt("A red cat, sitting on skateboarders in 2024")
    assert words(read) == ("a", "red", "cat,", "sitting", "on", "skateboarders", "in", "2024")
    assert [len(group) for group in read.groups] == [1, 1, 2, 1, 1, 3, 1, 4]
    assert read.chunks == 1 and read.ids[0] == BEGIN and read.ids[1 + len(read.said)] == END


@pytest.mark.parametrize("phrase,expected", [
    ("red", (2,)), ("RED", (2,)), ("cat", (3, 10)), ("cat,", (3, 4)), ("red cat", (2, 3)), ("skateboarders", (7, 8, 9)), ("cat's", (10, 11)),
    ("2024", (12, 13, 14, 15)), ("on skateboarders", (6, 7, 8, 9)), ("2", (12, 14)), (" sitting ", (5,)),
])  # fmt: skip
def test_positions(phrase, expected):
    assert positions(prompt("a red cat, sitting on skateboarders cat's 2024"), phrase) == expected


@pytest.mark.parametrize("phrase", ("cats", "skate", "boarders", "redcat", "cat sitting", "dog", "sitting cat", "", " "))
def test_what_is_not_there_is_named_with_what_is(phrase):
    with pytest.raises(ConcordError, match="is not among the words of the prompt; it has: a, red, cat, sitting, on, skateboarders"):
        positions(prompt("a red cat, sitting on skateboarders red"), phrase)


def test_an_empty_prompt_has_no_words():
    assert words(prompt("")) == () and prompt("").chunks == 1
    with pytest.raises(ConcordError, match="it has: none"):
        positions(prompt(""), "cat")


def test_other_scripts():
    read = prompt("un café 猫 と 犬")
    assert words(read) == ("un", "café", "猫", "と", "犬") and len(positions(read, "猫")) == 3 and positions(read, "CAFÉ") == (2,)
    assert letters("é") == "Ã©" and positions(read, "cafe\u0301") == (2,), "composed and decomposed letters are one"


def test_the_second_chunk():
    read = prompt("red " * 80 + "star")
    assert read.chunks == 2 and positions(read, "star") == (83,) and len(positions(read, "red")) == 80
    assert read.ids[76] == END and read.ids[77] == BEGIN and positions(read, "red red red")[73:77] == (74, 75, 78, 79)


def test_longer():
    short = prompt("a cat")
    long = short.longer(3)
    assert long.chunks == 3 and long.said == short.said and long.ids[77:79] == (BEGIN, END) and short.longer(1) == short


def test_textual_inversions_are_one_word_of_vectors():
    vectors = torch.eye(3)[:2]
    tokens = [(BEGIN, "", 1.0), (320, "a</w>", 1.0), *((v, "", 1.2) for v in vectors), (267, ",</w>", 1.0), (2368, "cat</w>", 1.0), *[(END, "", 1.0)] * 71]
    one, other = read(tokens, "a embedding:style, cat"), read([*tokens[:3], (torch.ones(3), "", 1.2), *tokens[4:]], "a embedding:style, cat")
    assert words(one) == ("a", "(embedding)", ",", "cat") and one.groups[1] == (2, 3) and positions(one, "cat") == (5,)
    assert one.ids[2] == other.ids[2] < 0 and one.ids[3] != other.ids[3]


def test_other_tokenizers_are_refused():
    with pytest.raises(ConcordError, match="the prompt was read as 3 tokens"):
        read([(BEGIN, "", 1.0), (320, "a</w>", 1.0), (END, "", 1.0)], "a")


def test_a_mark_is_of_the_tokens():
    assert mark([prompt("a cat"), prompt("a dog")]) == mark([prompt("A  cat"), prompt("a dog")]) != mark([prompt("a dog"), prompt("a cat")])


def test_the_host_reads_weights_and_brackets():
    """ComfyUI reads the same: tests/comfy/scripts/prompt_to_prompt.py has the same numbers."""
    pytest.importorskip("diffusers", reason="the headless extra is not installed")
    from concord.hosts.diffusers import host

    clip = host.practice_model()[1]
    found = host.read_prompt(clip, "a (red:1.3) cat, sitting on ((skate)boards) \\(mat\\)")
    assert words(found) == ("a", "red", "cat,", "sitting", "on", "skateboards", "(mat)")
    assert positions(found, "red") == (2,) and found.weights[2] == 1.3 and positions(found, "Cat") == (3,) and len(positions(found, "skateboards")) == 2
    long = host.encode_prompt(clip, "red " * 80 + "star")
    assert long[0][0].shape == (1, 154, 64) and host.read_prompt(clip, "red " * 80 + "star").chunks == 2
    with pytest.raises(ConcordError, match="a CLIP was expected, got a str"):
        host.read_prompt("clip", "a cat")
