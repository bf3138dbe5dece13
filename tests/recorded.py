"""What the authors' own code is asked, and how its answers are kept: as a few sums, which no other numbers have.

`recorded/style_aligned.json` and `recorded/masactrl.json` hold what came out when these inputs went through the authors' modules, once, outside of this
project: google/style-aligned at 2faf0af (sa_handler.py: the attention processor on a diffusers attention, the group norm's forward, the layers' switch,
and the handler on the network below) and TencentARC/MasaCtrl at d0ba16b (masactrl.py: its four controllers called with q, k, v, and registered in the
network below with masactrl_utils.py). Two lines of MasaCtrl's were changed for that: maps are taken at 4 x 4 instead of 16 x 16, because these pictures are
small, and the source of the union asks itself by the base class, because the published line fails. The network then sampled as `picture` says.
"""
from __future__ import annotations

import json
from functools import cache
from math import log
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

HEADS, DEPTH, TOKENS = 2, 8, 16
BATCH = 3  # of each half: unconditional, then conditional
CHANNELS = HEADS * DEPTH
STEPS, CANVAS = 3, (16, 16)
STYLES: dict[str, dict[str, Any]] = {  # the authors' names of their arguments
    "paper": {"share_group_norm": False},
    "transfer": {"share_group_norm": True, "shared_score_shift": log(2)},
    "famous": {"share_group_norm": False, "shared_score_shift": log(1.5), "shared_score_scale": 0.5, "adain_values": True},
    "statistics": {"share_group_norm": False, "share_attention": False},
    "some layers": {"share_group_norm": False, "only_self_level": 0.3},
    "few layers": {"share_group_norm": True, "only_self_level": 0.75},
    "full": {"share_group_norm": False, "full_attention_share": True},
}
LEVELS = (0.0, 0.07, 0.1, 0.25, 0.3, 0.5, 0.6, 0.75, 0.9, 1.0)
VARIANTS = ("plain", "union", "masks", "words")
WORDS = ((3, 4), (5,))  # of source and target
THRESHOLD = 0.3
START_STEP, FIRST_LAYER = 1, 10
SD1 = dict(block_out_channels=(32, 64, 128, 128), layers_per_block=2, down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
           up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3, cross_attention_dim=64, attention_head_dim=4)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hidden_states() -> Tensor:
    return noise(1, 2 * BATCH, TOKENS, CHANNELS) * noise(2, 2 * BATCH, 1, CHANNELS) + noise(3, 2 * BATCH, 1, CHANNELS)


def projections() -> dict[str, Tensor]:
    """[CHANNELS, CHANNELS] of q, k, v; x @ weight.T"""
    return {name: noise(10 + i, CHANNELS, CHANNELS) / 3 for i, name in enumerate("qkv")}


def features() -> Tensor:
    return noise(4, 2 * BATCH, 12, 3, 5) * 3 + noise(5, 2 * BATCH, 12, 1, 1)


def group_norm() -> torch.nn.GroupNorm:
    norm = torch.nn.GroupNorm(4, 12, dtype=torch.float64)
    norm.weight.data, norm.bias.data = noise(6, 12), noise(7, 12)
    return norm.requires_grad_(False)


def attention_inputs(tokens: int = TOKENS, keys: int = TOKENS, seed: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v [4, H, N, D] of MasaCtrl's rows: source and target, unconditional and then conditional."""
    return noise(seed, 4, HEADS, tokens, DEPTH), noise(seed + 1, 4, HEADS, keys, DEPTH), noise(seed + 2, 4, HEADS, keys, DEPTH)


def masks(size: int = 16) -> tuple[Tensor, Tensor]:
    """Of source and target, [y, x], 0 or 1."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((y - 6) ** 2 + (x - 5) ** 2 < 25).float(), ((y > 4) & (x > 7)).float()


@cache
def network(seed: int = 0) -> Any:
    """A small UNet with the layers of Stable Diffusion 1.x, random."""
    from diffusers import UNet2DConditionModel

    from .sampling_models import fill

    return fill(UNet2DConditionModel(**SD1), seed)


def picture(model: Any, samples: int) -> Tensor:
    """The latents [samples, 4, 16, 16] that the headless host samples with a prompt for each picture, guidance 3, three Euler steps."""
    from concord.hosts.diffusers.sample import sample

    from .sampling_models import text

    latent = {"samples": torch.zeros(samples, 4, *CANVAS)}
    return sample(model, 0, STEPS, 3.0, "euler", "normal", text(1, samples=samples), text(2), latent)["samples"]


def fingerprint(out: Tensor) -> list[float]:
    """Eight random sums of all numbers: two outputs that differ anywhere differ here."""
    out = out.double().flatten()
    return (noise(99, 8, len(out)) @ out / out.norm()).tolist() + [float(out.norm())]


def recorded(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "recorded" / f"{name}.json").read_text(encoding="utf-8"))


def far(out: Tensor, expected: list[float]) -> float:
    """The largest difference of the sums; those of noise are about 1."""
    *sums, length = (abs(a - b) for a, b in zip(fingerprint(out), expected, strict=True))
    return max(*sums, length / expected[-1])
