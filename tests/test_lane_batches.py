"""Batches of groups: every lane is told its own prompt and starts from its group's noise."""
from __future__ import annotations

import pytest
import torch
from concord.processors.conditions.lanes import grouped, one_per_sample, roles
from concord.processors.errors import ConcordError


def told(value: float, tokens: int = 77, pooled: bool = True, **keys) -> list:
    return [[torch.full((1, tokens, 4), value), {**({"pooled_output": torch.full((1, 8), value)} if pooled else {}), **keys}]]


def test_roles():
    assert roles(2, 2).roles == ((0, "source", 0), (1, "target", 0), (2, "target", 0), (3, "source", 1), (4, "target", 1), (5, "target", 1))
    assert roles(2, 1, beside=1).roles == ((0, "source", 0), (1, "target", 0), (3, "source", 1), (4, "target", 1))
    assert roles(1, 1, "reference", "frame").roles == ((0, "reference", 0), (1, "frame", 0))


def test_every_lane_its_prompt():
    (tokens, keys), = one_per_sample([told(1, width=512), told(2, width=512)], 2)
    assert tokens[:, 0, 0].tolist() == [1, 2, 1, 2] and keys["pooled_output"][:, 0].tolist() == [1, 2, 1, 2] and keys["width"] == 512


def test_shorter_prompts_are_filled_with_the_empty_one():
    (tokens, keys), = one_per_sample([told(1), told(2, 231), told(3, 154)], 1, torch.full((1, 77, 4), 9.0))
    assert tokens.shape == (3, 231, 4)
    assert tokens[:, ::77, 0].tolist() == [[1, 9, 9], [2, 2, 2], [3, 3, 9]] and tokens[0, 76:78, 0].tolist() == [1, 9]


def test_no_pooled_text():
    assert one_per_sample([told(1, pooled=False), told(2, pooled=False)], 1)[0][1] == {}


@pytest.mark.parametrize("prompts,message", [
    ([told(1), told(2) + told(3)], "prompt 1 has 2 parts"),
    ([told(1), []], "prompt 1 has 0 parts"),
    ([told(1), told(2, area=(1, 2, 3, 4))], "differ in area"),
    ([told(1, control=object()), told(2, control=object())], "differ in control"),
    ([told(1, mask=torch.ones(1, 4, 4)), told(2, mask=torch.zeros(1, 4, 4))], "differ in mask"),
    ([told(1), told(2, pooled=False)], "pooled text and others none"),
    ([told(1), told(2, 154)], "prompts of 77 and 154 tokens cannot be made equally long"),
    ([told(1), [[torch.zeros(2, 77, 4), {}]]], "a prompt for 2 pictures"),
])
def test_what_lanes_cannot_share_is_refused(prompts, message):
    with pytest.raises(ConcordError, match=message):
        one_per_sample(prompts, 1)


def test_what_is_equal_is_shared():
    mask = torch.ones(1, 4, 4)
    assert one_per_sample([told(1, mask=mask, strength=0.5), told(2, mask=mask.clone(), strength=0.5)], 1)[0][1]["strength"] == 0.5


def test_latents_in_groups():
    samples = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 4, 8, 8)
    made = grouped({"samples": samples, "name": "kept"}, 3)
    assert made["samples"][:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1] and made["batch_index"] == [0, 0, 0, 1, 1, 1] and made["name"] == "kept"
    assert grouped({"samples": samples, "batch_index": [4, 7]}, 2)["batch_index"] == [4, 4, 7, 7]


@pytest.mark.parametrize("masks,expected", ((1, [0]), (2, [0, 0, 0, 1, 1, 1]), (3, [0, 0, 0, 1, 1, 1])))
def test_masks_go_along(masks, expected):
    mask = torch.arange(float(masks)).reshape(masks, 1, 1, 1).expand(masks, 1, 4, 4)
    assert grouped({"samples": torch.zeros(2, 4, 8, 8), "noise_mask": mask}, 3)["noise_mask"][:, 0, 0, 0].tolist() == expected


def test_fewer_masks_than_pictures_are_repeated():
    mask = torch.arange(2.0).reshape(2, 1, 1).expand(2, 4, 4)
    assert grouped({"samples": torch.zeros(3, 4, 8, 8), "noise_mask": mask}, 2)["noise_mask"][:, 0, 0].tolist() == [0, 0, 1, 1, 0, 0]
