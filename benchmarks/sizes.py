"""The networks that are measured: the practice model, and random ones of the official configurations of Stable Diffusion 1.5 and XL."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from concord.model_loaders.image_adapter import ImageAdapter, read_image_adapter
from torch import Tensor, nn

CELL = 8  # pixels of a latent cell
SD15 = {"cross_attention_dim": 768, "attention_head_dim": 8, "block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2}
SDXL = {"cross_attention_dim": 2048, "attention_head_dim": (5, 10, 20), "block_out_channels": (320, 640, 1280), "layers_per_block": 2,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "transformer_layers_per_block": (1, 2, 10), "use_linear_projection": True,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816}
COMFY_SD15 = {"model_channels": 320, "context_dim": 768, "num_heads": 8}  # beside what the tests' small networks have
COMFY_SDXL = {"model_channels": 320, "context_dim": 2048, "num_head_channels": 64, "transformer_depth": [0, 0, 2, 2, 10, 10],
              "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10], "transformer_depth_middle": 10}
PICTURE = 1024  # numbers of what a vision tower says of a picture


@dataclass(frozen=True)
class Size:
    """A network and the picture that it is asked for."""

    name: str
    pixels: int
    context: int  # channels of a text token
    cfg: float  # 1: the positive alone is asked
    gib: float  # of free memory that it takes
    widths: tuple[int, ...] = ()  # of the cross-attentions in published order (down, up, mid)
    unet: dict[str, Any] | None = None  # diffusers' configuration; None: the practice model
    comfy: dict[str, Any] | None = None
    dtype: torch.dtype = torch.float32

    @property
    def cells(self) -> int:
        return self.pixels // CELL

    @property
    def sdxl(self) -> bool:
        return self.context == 2048

    @property
    def title(self) -> str:
        rows = "both branches" if self.cfg != 1 else "the positive alone (cfg 1)"
        return f"{self.name}, {self.pixels} px, {str(self.dtype).removeprefix('torch.')}, {rows}"


SIZES = {
    "practice": Size("practice", 128, 64, 4.0, 1.0),
    "sd15": Size("sd15", 256, 768, 4.0, 7.0, (320,) * 2 + (640,) * 2 + (1280,) * 5 + (640,) * 3 + (320,) * 3 + (1280,), SD15, COMFY_SD15),
    "sdxl": Size("sdxl", 512, 2048, 1.0, 16.0, (640,) * 4 + (1280,) * 50 + (640,) * 6 + (1280,) * 10, SDXL, COMFY_SDXL),
}


def sizes(names: Iterable[str], full: bool, device: str) -> list[Size]:
    """full: as large as pictures are drawn; on a GPU in half precision, and with both branches."""
    found = [SIZES[name] for name in names]
    if full:
        found = [replace(size, pixels=size.pixels if size.unet is None else {"sd15": 512, "sdxl": 1024}[size.name]) for size in found]
    return [replace(size, dtype=torch.float16, cfg=4.0) if device == "cuda" and size.unet else size for size in found]


def free_gib() -> float:
    """Memory that the machine can still give; endless where it does not tell."""
    try:
        with open("/proc/meminfo") as told:
            return next(int(line.split()[1]) for line in told if line.startswith("MemAvailable")) / 2**20
    except (OSError, StopIteration):
        return float("inf")


def lacking(gib: float, device: str) -> str:
    """What is missing of so much memory, "" where it is there; only a CPU's is asked."""
    free = free_gib()
    return f"it takes {gib:.0f} GiB of free memory, {free:.1f} are there" if device == "cpu" and free < gib else ""


@torch.no_grad()
def fill(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights of a scale at which values neither die nor grow, cut from one pool of noise: billions would take minutes."""
    pool = torch.randn(2**21 + 7, generator=torch.Generator().manual_seed(seed))
    for place, (name, weight) in enumerate(sorted(module.named_parameters())):
        count, start = weight.numel(), 7919 * place % len(pool)
        noise = pool.roll(-start).repeat(-(-count // len(pool)))[:count].view(weight.shape)
        norm = weight.dim() == 1 and name.endswith("weight")
        weight.copy_(1 + 0.1 * noise if norm else 0.02 * noise if weight.dim() < 2 else noise / weight[0].numel() ** 0.5)
    return module.eval().requires_grad_(False)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def adapter_file(size: Size, tokens: int, seed: int = 3) -> dict[str, dict[str, Tensor]]:
    """A random image adapter in exactly the layout of the official ones, for `tokens` tokens a picture."""
    make = lambda place, *shape: noise(seed + place, *shape).to(size.dtype) / shape[-1] ** 0.5
    projector = {"proj.weight": make(0, tokens * size.context, PICTURE), "proj.bias": make(1, tokens * size.context),
                 "norm.weight": torch.ones(size.context, dtype=size.dtype), "norm.bias": torch.zeros(size.context, dtype=size.dtype)}
    layers = {f"{2 * i + 1}.to_{letter}_ip.weight": make(2 * i + (letter == "v") + 2, width, size.context)
              for i, width in enumerate(size.widths) for letter in "kv"}
    return {"image_proj": projector, "ip_adapter": layers}


def adapter(size: Size, tokens: int) -> ImageAdapter:
    return read_image_adapter(adapter_file(size, tokens), f"a random adapter of {tokens} tokens")


def file_bytes(adapter: ImageAdapter) -> int:
    """Of an adapter's own weights, which stay on the CPU."""
    own = [t for pair in adapter.pairs for t in pair] + list(adapter.projector.state_dict().values())
    return sum(t.numel() * t.element_size() for t in own)
