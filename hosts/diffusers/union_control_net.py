"""The union ControlNet: one network for many kinds of hints, told which one it looks at.

xinsir, ControlNet++ (ControlNetPlus), for SDXL. As in ComfyUI each row is told about its own hint alone; the authors' code lets the rows of a batch
look at each other's, which is the same where all rows have one hint.
"""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, dtype, nn

TYPE_WIDTH, HEADS = 256, 8


class UnionControlNet(nn.Module):
    """An ordinary ControlNet (`encoder`) behind a hint that has been told its kind. config: ControlNetModel's."""

    def __init__(self, types: int, width: int, config: dict[str, Any]) -> None:
        super().__init__()
        from diffusers import ControlNetModel  # slow to import: only when a file is loaded
        from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
        from diffusers.models.embeddings import TimestepEmbedding

        self.encoder = ControlNetModel(**config, class_embed_type="identity")  # it adds the kind to its time embedding
        self.encoder.controlnet_cond_embedding = nn.Identity()
        channels = config["block_out_channels"][0]
        self.hint = ControlNetConditioningEmbedding(channels, config["conditioning_channels"], config["conditioning_embedding_out_channels"])
        self.task_embedding = nn.Parameter(torch.empty(types, width))
        self.transformer_layes = nn.ModuleList([Told(width)])  # the files' spelling
        self.spatial_ch_projs = nn.Linear(width, channels)
        self.control_add_embedding = TimestepEmbedding(TYPE_WIDTH * types, 4 * channels)

    @property
    def types(self) -> int:
        return len(self.task_embedding)

    @property
    def dtype(self) -> dtype:
        return self.encoder.dtype

    @property
    def config(self) -> Any:
        return self.encoder.config

    def forward(self, x: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, controlnet_cond: Tensor, kind: int | None = None,
                added_cond_kwargs: Any = None, return_dict: bool = False) -> Any:
        """As ControlNetModel; kind: the number of the hint's type, None for whatever it may be."""
        from diffusers.models.embeddings import get_timestep_embedding

        types = torch.zeros(self.types, device=x.device)
        hint = self.hint(controlnet_cond)
        if kind is not None:
            types[kind] = 1.0
            token = hint.mean((2, 3)) + self.task_embedding[kind]  # [R, C]
            for layer in self.transformer_layes:
                token = layer(token)
            hint = hint + self.spatial_ch_projs(token)[..., None, None]
        embedded = get_timestep_embedding(types, TYPE_WIDTH, flip_sin_to_cos=True, downscale_freq_shift=0).flatten()[None].to(x.dtype)
        return self.encoder(x, timestep, encoder_hidden_states, hint, class_labels=self.control_add_embedding(embedded), added_cond_kwargs=added_cond_kwargs,
                         return_dict=return_dict)


class Told(nn.Module):
    """A transformer layer over the single token of each row. [R, C] -> [R, C]"""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, token: Tensor) -> Tensor:
        looking = self.ln_1(token)[:, None]
        token = token + self.attn(looking, looking, looking, need_weights=False)[0][:, 0]
        inner = self.mlp["c_fc"](self.ln_2(token))
        return token + self.mlp["c_proj"](inner * (1.702 * inner).sigmoid())
