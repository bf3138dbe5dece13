"""Small random image adapters in exactly the layouts of the published files, and networks with the published numbers of attentions."""
from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from .sampling_models import CROSS, PLAIN, fill

WIDTHS = {"sd15": 768, "sdxl": 2048}
NETWORKS = {
    "sd15": dict(block_out_channels=(32, 32, 64, 64), layers_per_block=2, cross_attention_dim=768, attention_head_dim=4),
    "sdxl": dict(block_out_channels=(32, 64, 64), layers_per_block=2, down_block_types=(PLAIN, CROSS, CROSS), cross_attention_dim=2048,
                 up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",), attention_head_dim=(2, 4, 4), transformer_layers_per_block=(1, 2, 10),
                 use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=64),
}  # fmt: skip


@cache
def network(family: str) -> UNet2DConditionModel:
    """16 or 70 cross-attentions, as wide inside as fits a test."""
    return fill(UNet2DConditionModel(**NETWORKS[family]), 7).requires_grad_(False)


def cross_attentions(family: str) -> dict[int, torch.nn.Module]:
    """By their number in files: their places among all of diffusers' attention processors."""
    unet = network(family)
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return {number: unet.get_submodule(name) for number, name in enumerate(names) if name.endswith("attn2")}


class Maker:
    """Random tensors, one after the other."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator) * (shape[-1] ** -0.5 if len(shape) > 1 else 0.1)

    def norm(self, name: str, size: int) -> dict[str, Tensor]:
        return {f"{name}.weight": 1 + self(size), f"{name}.bias": self(size)}

    def linear(self, name: str, out: int, size: int, bias: bool = True) -> dict[str, Tensor]:
        return {f"{name}.weight": self(out, size)} | ({f"{name}.bias": self(out)} if bias else {})


def base(context: int = 768, width: int = 1024, seed: int = 1, tokens: int = 4) -> dict[str, Tensor]:
    make = Maker(seed)
    return make.linear("proj", tokens * context, width) | make.norm("norm", context)


def full_face(context: int = 768, width: int = 1280, seed: int = 1) -> dict[str, Tensor]:
    make = Maker(seed)
    return make.linear("proj.0", width, width) | make.linear("proj.2", context, width) | make.norm("proj.3", context)


def plus(context: int = 768, width: int = 1280, inner: int = 128, seed: int = 1, depth: int = 4, tokens: int = 16) -> dict[str, Tensor]:
    make = Maker(seed)
    found = {"latents": make(1, tokens, inner)} | make.norm("norm_out", context)
    found |= make.linear("proj_in", inner, width) | make.linear("proj_out", context, inner)
    for i in range(depth):
        attention, forward = f"layers.{i}.0", f"layers.{i}.1"
        found |= make.norm(f"{attention}.norm1", inner) | make.norm(f"{attention}.norm2", inner) | make.norm(f"{forward}.0", inner)
        for name, out, size in ((f"{attention}.to_q", inner, inner), (f"{attention}.to_kv", 2 * inner, inner), (f"{attention}.to_out", inner, inner),
                                (f"{forward}.1", 4 * inner, inner), (f"{forward}.3", inner, 4 * inner)):  # fmt: skip
            found |= make.linear(name, out, size, bias=False)
    return found


def layers(family: str, seed: int = 2) -> dict[str, Tensor]:
    """`1.to_k_ip.weight`, `1.to_v_ip.weight`, `3.to_k_ip.weight`, ... for `network(family)`."""
    make = Maker(seed)
    return {f"{n}.to_{letter}_ip.weight": make(attention.inner_dim, WIDTHS[family]) for n, attention in cross_attentions(family).items() for letter in "kv"}


def few_layers(family: str = "sd15", inner: int = 4, seed: int = 2) -> dict[str, Tensor]:
    """The same for no network: as many, and hardly any channels."""
    make = Maker(seed)
    return {f"{2 * i + 1}.to_{letter}_ip.weight": make(inner, WIDTHS[family]) for i in range({"sd15": 16, "sdxl": 70}[family]) for letter in "kv"}


def nested(image_proj: dict[str, Tensor], ip_adapter: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """What a .bin file holds."""
    return {"image_proj": image_proj, "ip_adapter": ip_adapter}


def flat(content: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """What a .safetensors file holds."""
    return {f"{part}.{name}": tensor.contiguous() for part, tensors in content.items() for name, tensor in tensors.items()}


def write(path: Path, content: dict) -> Path:
    """A file in the format of its name."""
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=path.name != "legacy.pt")
    return path
