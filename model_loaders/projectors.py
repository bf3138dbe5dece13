"""What turns a vision tower's output into image tokens, with the parameter names of the published files.

IP-Adapter (Ye et al., arXiv 2308.06721): the base projection, the resampler of "plus" files (after Flamingo's perceiver), the "full face" projection.
"""
from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

HEAD = 64  # channels of each head of every published resampler


class ImageProjection(nn.Module):
    """Image embeddings [B, D] -> tokens [B, T, C]."""

    def __init__(self, width: int, context: int, tokens: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, tokens * context)
        self.norm = nn.LayerNorm(context)

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.norm(self.proj(embeddings).unflatten(1, (-1, self.norm.normalized_shape[0])))


class FullProjection(nn.Module):
    """Hidden states [B, P, W] -> as many tokens [B, P, C]."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, context), nn.LayerNorm(context))

    def forward(self, hidden: Tensor) -> Tensor:
        return self.proj(hidden)


class Resampler(nn.Module):
    """Hidden states [B, P, W] -> T tokens [B, T, C]: learned queries read the picture, layer by layer."""

    def __init__(self, width: int, inner: int, context: int, tokens: int, depth: int, heads: int, growth: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.empty(1, tokens, inner))
        self.proj_in = nn.Linear(width, inner)
        self.proj_out = nn.Linear(inner, context)
        self.norm_out = nn.LayerNorm(context)
        self.layers = nn.ModuleList(Layer((PerceiverAttention(inner, heads), feed_forward(inner, growth))) for _ in range(depth))

    def forward(self, hidden: Tensor) -> Tensor:
        picture = self.proj_in(hidden)
        tokens = self.latents.expand(len(hidden), -1, -1)
        for layer in self.layers:
            tokens = layer(picture, tokens)
        return self.norm_out(self.proj_out(tokens))


class Layer(nn.ModuleList):
    """Attention, then a feed-forward network; files number the two."""

    def forward(self, picture: Tensor, tokens: Tensor) -> Tensor:
        tokens = tokens + self[0](picture, tokens)
        return tokens + self[1](tokens)


class PerceiverAttention(nn.Module):
    """Queries [B, T, W] read the picture [B, P, W] and each other -> [B, T, W]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, heads * HEAD, bias=False)
        self.to_kv = nn.Linear(width, 2 * heads * HEAD, bias=False)
        self.to_out = nn.Linear(heads * HEAD, width, bias=False)

    def forward(self, picture: Tensor, queries: Tensor) -> Tensor:
        queries = self.norm2(queries)
        k, v = self.to_kv(torch.cat([self.norm1(picture), queries], -2)).chunk(2, -1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.to_q(queries), k, v))
        return self.to_out(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def feed_forward(width: int, growth: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, growth * width, bias=False), nn.GELU(), nn.Linear(growth * width, width, bias=False))


def build_projector(kind: str, tensors: Mapping[str, Tensor], context: int) -> nn.Module:
    """The module of a kind ("base", "plus", "full-face") with a file's weights, float32, in evaluation mode.

    Raises KeyError, IndexError, RuntimeError or ZeroDivisionError where the tensors are not those of that kind.
    """
    size = lambda name, side=0: tensors[name].shape[side]
    with torch.device("meta"):  # no weights are made before the file's come
        if kind == "base":
            module: nn.Module = ImageProjection(size("proj.weight", 1), context, size("proj.weight") // context)
        elif kind == "full-face":
            module = FullProjection(size("proj.0.weight", 1), context)
        else:
            inner, depth = size("proj_in.weight"), 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("layers."))
            module = Resampler(size("proj_in.weight", 1), inner, context, size("latents", 1), depth, size("layers.0.0.to_q.weight") // HEAD,
                               size("layers.0.1.1.weight") // inner)
    module.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return module.requires_grad_(False).eval()
