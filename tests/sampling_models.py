"""Tiny random networks in diffusers' layout, for tests of sampling: outputs are about as large as those of trained ones, so that what a step does shows."""
from __future__ import annotations

import torch
from diffusers import ControlNetModel, UNet2DConditionModel

CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
SD1 = dict(block_out_channels=(32, 64), layers_per_block=1, down_block_types=(CROSS, CROSS), up_block_types=("CrossAttnUpBlock2D",) * 2,
           cross_attention_dim=64, attention_head_dim=4)
SDXL = dict(block_out_channels=(32, 64, 128), down_block_types=(PLAIN, CROSS, CROSS), up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",),
            cross_attention_dim=64, attention_head_dim=(2, 4, 8), transformer_layers_per_block=(1, 1, 2), use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816)


def fill(network, seed: int):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(network.state_dict().items()):
            noise = torch.randn(weight.shape, generator=generator)
            is_norm = weight.dim() == 1 and name.endswith("weight")
            weight.copy_(1 + 0.1 * noise if is_norm else noise * 0.02 if weight.dim() < 2 else 0.7 * noise / weight[0].numel() ** 0.5)
    return network.eval()


def unet(seed: int = 0, sdxl: bool = False) -> UNet2DConditionModel:
    return fill(UNet2DConditionModel(**(SDXL if sdxl else SD1)), seed)


def control_net(network: UNet2DConditionModel, seed: int = 1) -> ControlNetModel:
    return fill(ControlNetModel.from_unet(network), seed)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def text(seed: int, tokens: int = 77, samples: int = 1, **keys) -> list:
    """A conditioning of one entry."""
    return [[noise(samples, tokens, 64, seed=seed), {"pooled_output": noise(1, 1280, seed=seed + 1000), **keys}]]
