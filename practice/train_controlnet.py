"""Train a ControlNet on outline hints beside the frozen UNet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .data import Shards, token_rows
from .drawing import render
from .model import mixed, new_controlnet
from .noise import Noiser
from .train_unet import plain_attention
from .world import Scene


def hints(scenes: list[Scene], width: int = 128, height: int = 128) -> Tensor:
    """Outline hints [B, 3, y, x] 0..1."""
    return torch.stack([render(scene, width, height).outline for scene in scenes])[:, None].repeat(1, 3, 1, 1)


def from_unet(unet: nn.Module) -> nn.Module:
    """A ControlNet that starts as a copy of the UNet's encoder and adds nothing yet."""
    control = new_controlnet()
    own, given = control.state_dict(), unet.state_dict()
    control.load_state_dict({key: given[key] if key in given else value for key, value in own.items()})
    return plain_attention(control)


class ControlNetLoss:
    """Noise-prediction error with the hint; captions leave out more than in the UNet's training, so that the hint has to tell."""

    def __init__(self, control: nn.Module, pair: nn.ModuleDict, shards: Shards, device: torch.device, seed: int = 0) -> None:
        self.control, self.pair, self.shards, self.device = control, pair.eval().requires_grad_(False), shards, device
        self.noiser, self.rng = Noiser(device), np.random.default_rng(seed)

    def __call__(self, step: int, batch: int) -> Tensor:
        drawn = self.shards.draw(self.rng, batch)
        tokens = token_rows(drawn.scenes, self.rng, drop=0.4).to(self.device)
        hint, noised = hints(drawn.scenes).to(self.device), self.noiser(drawn.latents)
        with mixed(self.device):
            with torch.no_grad():
                told = self.pair["text"](tokens)[0]
            down, middle = self.control(noised.noisy, noised.steps, told, hint, return_dict=False)
            predicted = self.pair["unet"](noised.noisy, noised.steps, told, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample
        return noised.loss(predicted, drawn.weight)
