"""Train the UNet and its text tower together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .binding import astray, watch
from .data import Shards, token_rows
from .layout import LayoutReaders, cells
from .model import fit_state, mixed, new_text_encoder, new_unet
from .noise import Noiser
from .words import ROWS


def plain_attention(module: nn.Module) -> nn.Module:
    """Attention as plain matrix products: on a CPU the backward of fused attention is several times slower."""
    from diffusers.models.attention_processor import AttnProcessor

    module.set_attn_processor(AttnProcessor())
    return module


def new_pair(seed: int = 0) -> nn.ModuleDict:
    """An untrained UNet and text tower, with the readers that help to train them."""
    torch.manual_seed(seed)
    return nn.ModuleDict({"unet": plain_attention(new_unet()), "text": new_text_encoder(), "readers": LayoutReaders()})


def warm_pair(unet: Path, text: Path, seed: int = 0) -> nn.ModuleDict:
    """A trained UNet and text tower to go on from; a tower with fewer words gets rows for the new ones."""
    from safetensors.torch import load_file

    pair = new_pair(seed)
    fit_state(pair["unet"], load_file(str(unet)))
    state = load_file(str(text))
    key = next(key for key in state if key.endswith("token_embedding.weight"))
    known = state[key].float()
    if len(known) < ROWS:
        fresh = known.mean(0) + 0.5 * known.std(0) * torch.randn(ROWS - len(known), known.shape[1], generator=torch.Generator().manual_seed(seed))
        state[key] = torch.cat([known, fresh])
    fit_state(pair["text"], state)
    return pair


class UnetLoss:
    """Weighted noise-prediction error on stored pictures with freshly drawn captions, and a little of what binds words to their
    objects: the layout readers' error, and attention that goes astray."""

    LAYOUT, ASTRAY = 0.005, 0.1  # their shares

    def __init__(self, pair: nn.ModuleDict, shards: Shards, device: torch.device, seed: int = 0) -> None:
        self.pair, self.shards, self.device = pair, shards, device
        self.noiser, self.rng = Noiser(device), np.random.default_rng(seed)
        self.features: list[Tensor] = []
        self.seen = watch(pair["unet"])
        above_three = pair["unet"].get_submodule("up_blocks.1")  # cross-attentions; six are below
        above_three.register_forward_hook(lambda block, given, made: self.features.append(made))

    def __call__(self, step: int, batch: int) -> Tensor:
        if step % 200 == 0:
            self.shards.refresh()
        drawn = self.shards.draw(self.rng, batch)
        tokens = token_rows(drawn.scenes, self.rng).to(self.device)
        noised = self.noiser(drawn.latents)
        with mixed(self.device):
            told = self.pair["text"](tokens)[0]
            predicted = self.pair["unet"](noised.noisy, noised.steps, told).sample
            unread = self.pair["readers"](told, self.features.pop(), cells(drawn.scenes).to(self.device))
        return noised.loss(predicted, drawn.weight) + self.LAYOUT * unread + self.ASTRAY * astray(self.seen, tokens, drawn.scenes)
