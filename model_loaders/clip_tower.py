"""CLIP's transformer, text side and image side, with the parameter names of the published files.

Weights rest in the file's precision and are computed with in the input's (float32), as ComfyUI does; a hidden state can be taken after any layer.
Written out here because transformers renamed these parameters between versions and takes no vectors in place of tokens.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS = {"quick_gelu": lambda x: x * torch.sigmoid(1.702 * x), "gelu": F.gelu}


@dataclass(frozen=True)
class TowerConfig:
    width: int
    heads: int
    layers: int
    inner: int
    activation: str = "quick_gelu"
    projection: int = 0  # width of the projected output; 0: none
    tokens: int = 49408  # text side
    positions: int = 77  # text side
    patch: int = 14  # image side
    image: int = 224  # image side: pixels of the square that it sees


class Linear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class LayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        q, k, v = (project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.q_proj, self.k_proj, self.v_proj))  # [B, H, N, D]
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width: int, inner: int, activation: str):
        super().__init__()
        self.fc1, self.fc2, self.activation = Linear(width, inner), Linear(inner, width), ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, c: TowerConfig):
        super().__init__()
        self.layer_norm1, self.self_attn = LayerNorm(c.width), Attention(c.width, c.heads)
        self.layer_norm2, self.mlp = LayerNorm(c.width), Mlp(c.width, c.inner, c.activation)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), causal)
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    def __init__(self, c: TowerConfig):
        super().__init__()
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))

    def forward(self, x: Tensor, causal: bool, stop: int) -> tuple[Tensor, Tensor]:
        """[B, N, C] -> after the last layer, after layer `stop` (-1 is the last)."""
        states = []
        for layer in self.layers:
            x = layer(x, causal)
            states.append(x)
        return x, states[stop]


class TextTower(nn.Module):
    def __init__(self, config: TowerConfig):
        super().__init__()
        self.config = config
        self.text_model = nn.Module()
        self.text_model.embeddings = nn.Module()
        self.text_model.embeddings.token_embedding = nn.Embedding(config.tokens, config.width)
        self.text_model.embeddings.position_embedding = nn.Embedding(config.positions, config.width)
        self.text_model.encoder = Encoder(config)
        self.text_model.final_layer_norm = LayerNorm(config.width)
        if config.projection:
            self.text_projection = Linear(config.width, config.projection, bias=False)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.text_model.embeddings.token_embedding(tokens).float()

    def forward(self, embedded: Tensor, stop: int | None) -> tuple[Tensor, Tensor]:
        """Embedded tokens [S, 77, C] -> normed last state, and the state after layer `stop`, not normed (None: the last, normed)."""
        x = embedded + self.text_model.embeddings.position_embedding.weight.float()
        last, stopped = self.text_model.encoder(x, causal=True, stop=-1 if stop is None else stop)
        last = self.text_model.final_layer_norm(last)
        return last, last if stop is None else stopped


class VisionTower(nn.Module):
    def __init__(self, config: TowerConfig):
        super().__init__()
        self.config = config
        self.vision_model = model = nn.Module()
        model.embeddings = nn.Module()
        model.embeddings.class_embedding = nn.Parameter(torch.empty(config.width))
        model.embeddings.patch_embedding = nn.Conv2d(3, config.width, config.patch, config.patch, bias=False)
        model.embeddings.position_embedding = nn.Embedding((config.image // config.patch) ** 2 + 1, config.width)
        model.pre_layrnorm = LayerNorm(config.width)
        model.encoder = Encoder(config)
        model.post_layernorm = LayerNorm(config.width)
        if config.projection:
            self.visual_projection = Linear(config.width, config.projection, bias=False)

    def forward(self, pixels: Tensor, stop: int = -2) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised pixels [B, 3, s, s] -> last state [B, N, C], state after layer `stop`, embedding [B, P] (post-normed class token, projected)."""
        model, places = self.vision_model, self.vision_model.embeddings
        patches = F.conv2d(pixels, places.patch_embedding.weight.to(pixels.dtype), stride=self.config.patch).flatten(2).transpose(1, 2)
        first = places.class_embedding.to(pixels.dtype).expand(len(pixels), 1, -1)
        x = model.pre_layrnorm(torch.cat([first, patches], dim=1) + places.position_embedding.weight.to(pixels.dtype))
        last, stopped = model.encoder(x, causal=False, stop=stop)
        pooled = model.post_layernorm(last[:, 0])
        return last, stopped, self.visual_projection(pooled) if self.config.projection else pooled
