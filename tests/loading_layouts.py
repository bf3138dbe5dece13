"""Small random weight files in exactly the layouts in which models are published: names and proportions are real, widths are not."""
from __future__ import annotations

from collections.abc import Callable

import torch
from concord.hosts.diffusers.loading.unet import unet_config
from concord.hosts.diffusers.loading.unet_keys import Shape, module_names, published_name
from torch import Tensor, nn

SD1 = Shape((32, 64, 64, 64), 2, (1, 1, 1, 0), 1, 768, False, 4, 4, 0)
SDXL = Shape((64, 64, 64), 2, (0, 2, 10), 10, 2048, True, 4, 4, 2816)


def random_tensors(shapes: dict[str, torch.Size | tuple], seed: int = 0, dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """Weights of a scale at which values neither die nor grow; norms near 1. All are cut from one pool of noise: billions would take minutes."""
    pool = torch.randn(4_000_037, generator=torch.Generator().manual_seed(seed))

    def tensor(place: int, name: str, shape: tuple) -> Tensor:
        size = torch.Size(shape).numel()
        start = 7919 * place % len(pool)
        noise = pool.repeat(2 + size // len(pool))[start : start + size].view(shape) if start + size > len(pool) else pool[start : start + size].view(shape)
        norm = len(shape) == 1 and name.endswith("weight")
        return (1 + 0.1 * noise if norm else 0.02 * noise if len(shape) < 2 else noise / torch.Size(shape[1:]).numel() ** 0.5).to(dtype)

    return {name: tensor(place, name, tuple(shape)) for place, (name, shape) in enumerate(shapes.items())}


def shapes_of(make: Callable[[], nn.Module]) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in make().state_dict().items()}


def unet(shape: Shape, prefix: str = "model.diffusion_model.", published: bool = True) -> dict[str, torch.Size]:
    from diffusers import UNet2DConditionModel

    shapes, blocks = shapes_of(lambda: UNet2DConditionModel(**unet_config(shape))), module_names(shape)
    if not published:
        return shapes
    names = ((name.rpartition("."), size) for name, size in shapes.items())
    return {f"{prefix}{published_name(module, blocks)}.{kind}": size for (module, _, kind), size in names}


def vae(width: int = 32, prefix: str = "first_stage_model.", latent: int = 4) -> dict[str, tuple]:
    """The published autoencoder: multipliers 1 2 4 4, two resnets a level (three going up), one attention in the middle."""
    out: dict[str, tuple] = {}

    def layer(name: str, *shape: int) -> None:
        out.update({f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]})

    def resnet(name: str, before: int, after: int) -> None:
        layer(f"{name}.norm1", before), layer(f"{name}.conv1", after, before, 3, 3), layer(f"{name}.norm2", after), layer(f"{name}.conv2", after, after, 3, 3)
        if before != after:
            layer(f"{name}.nin_shortcut", after, before, 1, 1)

    def middle(side: str, channels: int) -> None:
        resnet(f"{side}.mid.block_1", channels, channels), resnet(f"{side}.mid.block_2", channels, channels), layer(f"{side}.mid.attn_1.norm", channels)
        for part in ("q", "k", "v", "proj_out"):
            layer(f"{side}.mid.attn_1.{part}", channels, channels, 1, 1)

    widths = [width * m for m in (1, 2, 4, 4)]
    layer("encoder.conv_in", width, 3, 3, 3)
    for level, (before, after) in enumerate(zip([width, *widths], widths, strict=False)):
        for block in range(2):
            resnet(f"encoder.down.{level}.block.{block}", before if block == 0 else after, after)
        if level < 3:
            layer(f"encoder.down.{level}.downsample.conv", after, after, 3, 3)
    middle("encoder", widths[-1])
    layer("encoder.norm_out", widths[-1]), layer("encoder.conv_out", 2 * latent, widths[-1], 3, 3)
    layer("decoder.conv_in", widths[-1], latent, 3, 3)
    middle("decoder", widths[-1])
    for level, (before, after) in reversed(list(enumerate(zip([*widths[1:], widths[-1]], widths, strict=True)))):
        for block in range(3):
            resnet(f"decoder.up.{level}.block.{block}", before if block == 0 else after, after)
        if level > 0:
            layer(f"decoder.up.{level}.upsample.conv", after, after, 3, 3)
    layer("decoder.norm_out", width), layer("decoder.conv_out", 3, width, 3, 3)
    layer("quant_conv", 2 * latent, 2 * latent, 1, 1), layer("post_quant_conv", latent, latent, 1, 1)
    return out


def text_l(prefix: str = "cond_stage_model.transformer.", width: int = 768, layers: int = 2, tokens: int = 49408) -> dict[str, tuple]:
    """transformers' layout, as towers L are published."""
    top = f"{prefix}text_model."
    out = {f"{top}embeddings.token_embedding.weight": (tokens, width), f"{top}embeddings.position_embedding.weight": (77, width)}
    for layer in (f"{top}encoder.layers.{i}." for i in range(layers)):
        pairs = [("layer_norm1", (width,)), ("layer_norm2", (width,)), ("mlp.fc1", (4 * width, width)), ("mlp.fc2", (width, 4 * width))]
        for module, shape in pairs + [(f"self_attn.{part}_proj", (width, width)) for part in ("q", "k", "v", "out")]:
            out |= {f"{layer}{module}.weight": shape, f"{layer}{module}.bias": shape[:1]}
    return out | {f"{top}final_layer_norm.weight": (width,), f"{top}final_layer_norm.bias": (width,)}


def text_g(prefix: str = "conditioner.embedders.1.model.", width: int = 1280, layers: int = 2, tokens: int = 49408) -> dict[str, tuple]:
    """open_clip's layout, as tower G is published."""
    out = {f"{prefix}token_embedding.weight": (tokens, width), f"{prefix}positional_embedding": (77, width), f"{prefix}text_projection": (width, width),
           f"{prefix}logit_scale": (), f"{prefix}ln_final.weight": (width,), f"{prefix}ln_final.bias": (width,)}  # fmt: skip
    for layer in (f"{prefix}transformer.resblocks.{i}." for i in range(layers)):
        linear = {"mlp.c_fc": (4 * width, width), "mlp.c_proj": (width, 4 * width), "attn.out_proj": (width, width)}
        for module, shape in ({"ln_1": (width,), "ln_2": (width,)} | linear).items():
            out |= {f"{layer}{module}.weight": shape, f"{layer}{module}.bias": shape[:1]}
        out |= {f"{layer}attn.in_proj_weight": (3 * width, width), f"{layer}attn.in_proj_bias": (3 * width,)}
    return out


def sd1(tokens: int = 49408) -> dict[str, tuple]:
    return {**unet(SD1), **vae(), **text_l(tokens=tokens)}


def sdxl(tokens: int = 49408) -> dict[str, tuple]:
    return {**unet(SDXL), **vae(), **text_l("conditioner.embedders.0.transformer.", tokens=tokens), **text_g(tokens=tokens)}
