"""The image adapter (IP-Adapter, Ye et al. 2023, arXiv:2308.06721): a reference picture as four more tokens of their own attention term."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .model import IMAGE_TOKENS, UNET, VISION, WEIGHTS, load_into

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's


def prepare(images: Tensor) -> Tensor:
    """Pictures [B, 3, y, x] 0..1 -> what the vision tower reads [B, 3, 64, 64], normalised as CLIP does."""
    size = VISION["image_size"]
    small = F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
    mean, deviation = (torch.tensor(values, device=images.device)[:, None, None] for values in (MEAN, DEVIATION))
    return (small - mean) / deviation


class ImageProjection(nn.Module):
    """Image embeddings [B, 64] -> tokens [B, 4, 64]."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(VISION["projection_dim"], IMAGE_TOKENS * UNET["cross_attention_dim"])
        self.norm = nn.LayerNorm(UNET["cross_attention_dim"])

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.norm(self.proj(embeddings).unflatten(1, (IMAGE_TOKENS, -1)))


class KeyValue(nn.Module):
    """One layer's keys and values of the image tokens."""

    def __init__(self) -> None:
        super().__init__()
        width, inner = UNET["cross_attention_dim"], UNET["block_out_channels"][0]
        self.to_k_ip, self.to_v_ip = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)


class ImageAdapter(nn.Module):
    """The file's layout: `image_proj.*` and `ip_adapter.{1, 3, .. 31}.to_k_ip/to_v_ip.weight`, numbered down, up, middle."""

    def __init__(self) -> None:
        super().__init__()
        self.image_proj = ImageProjection()
        self.ip_adapter = nn.ModuleDict({str(2 * n + 1): KeyValue() for n in range(16)})

    def start_from(self, unet: nn.Module) -> None:
        """Begin with the text's own key and value weights, as the paper does."""
        for number, attention in cross_attentions(unet).items():
            self.ip_adapter[number].to_k_ip.weight.data.copy_(attention.to_k.weight)
            self.ip_adapter[number].to_v_ip.weight.data.copy_(attention.to_v.weight)

    def attach(self, unet: nn.Module, weight: float = 1.0) -> None:
        """From here on `unet` reads the last four of its text states as image tokens."""
        for number, attention in cross_attentions(unet).items():
            attention.set_processor(Decoupled(self.ip_adapter[number], weight))


def cross_attentions(unet: Any) -> dict[str, Any]:
    """The cross-attentions by their number in published files: diffusers' order down, up, middle, counting self-attentions too."""
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return {str(number): unet.get_submodule(name) for number, name in enumerate(names) if name.endswith("attn2")}


class Decoupled:
    """Attention to the text plus attention to the image, both asked with the model's own query."""

    def __init__(self, image: KeyValue, weight: float = 1.0) -> None:
        self.image, self.weight = image, weight

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **_: object) -> Tensor:
        text, image = encoder_hidden_states[:, :-IMAGE_TOKENS], encoder_hidden_states[:, -IMAGE_TOKENS:]
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        out = self._attend(attn, query, attn.to_k(text), attn.to_v(text))
        out = out + self.weight * self._attend(attn, query, self.image.to_k_ip(image), self.image.to_v_ip(image))
        return attn.to_out[0](out)

    def _attend(self, attn: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        scores = attn.get_attention_scores(query, attn.head_to_batch_dim(key))
        return attn.batch_to_head_dim(torch.bmm(scores, attn.head_to_batch_dim(value)))


def load_image_adapter(folder: Path = WEIGHTS) -> ImageAdapter:
    adapter = ImageAdapter()
    load_into(adapter, folder / "image_adapter.safetensors")
    return adapter
