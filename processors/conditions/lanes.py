"""Batches of groups: every picture of a latent batch becomes a group of lanes, a giver and its takers, that start from the same noise.

A group's lanes are samples of one batch, so that ordinary samplers run them and every model call of a branch holds them all.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ConcordError
from ..rows import Lanes

Conditioning = list[list[Any]]  # [[tokens [S, T, C], {keys}], ..]
POOLED = "pooled_output"


def roles(groups: int, targets: int, giver: str = "source", taker: str = "target", beside: int = 0) -> Lanes:
    """Of a batch of `groups` times (one giver, then `targets` takers, then `beside` pictures that are neither)."""
    size = 1 + targets + beside
    return Lanes(tuple((group * size + lane, taker if lane else giver, group) for group in range(groups) for lane in range(1 + targets)))


def one_per_sample(prompts: Sequence[Conditioning], groups: int, empty: Tensor | None = None) -> Conditioning:
    """One conditioning that tells every lane its own prompt: tokens [groups * prompts, T, C], pooled [groups * prompts, P], in the order of `roles`.

    Shorter prompts are filled up with `empty` [1, 77, C], the encoded empty prompt. Each prompt has one entry; keys beside the pooled text are shared.
    """
    if wrong := next((f"prompt {n} has {len(p)} parts" for n, p in enumerate(prompts) if len(p) != 1), None):
        raise ConcordError(f"{wrong}, but each lane reads one prompt; combine prompts, and schedule them, after this node")
    entries = [prompt[0] for prompt in prompts]
    keys = shared([keys for _, keys in entries])
    longest = max(tokens.shape[1] for tokens, _ in entries)
    tokens = torch.cat([filled(tokens, longest, empty) for tokens, _ in entries])
    pooled = [keys.get(POOLED) for _, keys in entries]
    if any(isinstance(p, Tensor) for p in pooled):
        if not all(isinstance(p, Tensor) and len(p) == 1 for p in pooled):
            raise ConcordError("some of the prompts have a pooled text and others none; encode them all with the same CLIP")
        keys[POOLED] = torch.cat(pooled).repeat(groups, 1)
    return [[tokens.repeat(groups, 1, 1), keys]]


def shared(keys: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The keys that all prompts have alike, pooled text left out."""
    first = {name: value for name, value in keys[0].items() if name != POOLED}
    for other in keys[1:]:
        rest = {name: value for name, value in other.items() if name != POOLED}
        differ = sorted(name for name in first.keys() | rest.keys() if not same(first.get(name), rest.get(name)))
        if differ:
            raise ConcordError(f"the prompts of one group differ in {', '.join(differ)}, which all lanes share; "
                               "set it on the positive output of this node instead")
    return first


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one is other or torch.equal(one, other)
    return one is other or (type(one) is type(other) and not isinstance(one, Tensor) and bool(one == other))


def filled(tokens: Tensor, length: int, empty: Tensor | None) -> Tensor:
    """[1, T, C] -> [1, length, C]"""
    missing = length - tokens.shape[1]
    if len(tokens) != 1:
        raise ConcordError(f"a prompt for {len(tokens)} pictures was given to one lane; give each lane a prompt of its own")
    if missing and (empty is None or missing % empty.shape[1] or empty.shape[-1] != tokens.shape[-1]):
        raise ConcordError(f"prompts of {tokens.shape[1]} and {length} tokens cannot be made equally long here; use prompts of equally many chunks of 77")
    return torch.cat([tokens, empty.repeat(1, missing // empty.shape[1], 1).to(tokens)], 1) if missing else tokens


def grouped(latent: dict[str, Any], lanes: int) -> dict[str, Any]:
    """The LATENT with every picture `lanes` times, side by side, from the same start noise; masks go along."""
    samples = latent["samples"]
    noises = latent.get("batch_index") or range(len(samples))
    made = {**latent, "samples": samples.repeat_interleave(lanes, 0), "batch_index": [noise for noise in noises for _ in range(lanes)]}
    mask = latent.get("noise_mask")
    if mask is not None and len(mask) > 1:
        times = -(-len(samples) // len(mask))
        made["noise_mask"] = mask.repeat(times, *[1] * (mask.ndim - 1))[: len(samples)].repeat_interleave(lanes, 0)
    return made
