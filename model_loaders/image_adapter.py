"""Image adapter files (IP-Adapter) -> `ImageAdapter`: a picture's tokens, and the keys and values that every cross-attention makes of them."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..processors.attention.image_prompt import combine_embeddings
from ..processors.errors import ConcordError
from .adapter_files import Parts, read_parts
from .projectors import build_projector

FAMILIES = {(16, 768): "sd15", (70, 2048): "sdxl", (16, 64): "practice"}  # by cross-attentions and the width of the tokens that they read
NAMES = {"sd15": "Stable Diffusion 1.x", "sdxl": "Stable Diffusion XL", "practice": "the practice model"}
EMBEDS, HIDDEN = "image_embeds", "penultimate_hidden_states"  # a vision tower's outputs, under ComfyUI's names
TOWERS = {EMBEDS: {768: "ViT-L", 1024: "ViT-H", 1280: "ViT-bigG", 64: "practice"},  # by their width
          HIDDEN: {1024: "ViT-L", 1280: "ViT-H", 1664: "ViT-bigG", 64: "practice"}}  # fmt: skip
KINDS = {"proj.weight": "base", "proj.3.weight": "full-face", "latents": "plus"}  # by a tensor that only they have
PATCHES = 257  # what a tower at 224 pixels says of a picture: 16 x 16 patches and their summary


@dataclass(frozen=True, eq=False)
class ImageAdapter:
    """An image adapter's weights, on the CPU, never changed. It is the `projections` of `DecoupledTokens`."""

    name: str  # for people
    kind: str  # "base", "plus" (also face and composition: these differ in their weights alone), "full-face"
    family: str  # "sd15", "sdxl", "practice"
    context: int  # channels of a token
    count: int  # of cross-attentions: 16, 70
    needs: str  # which output of the vision tower it reads: "image_embeds" [B, D] or "penultimate_hidden_states" [B, P, W]
    width: int  # D or W
    tokens: int  # that a picture becomes
    clip: str  # the vision tower that it was trained with: "ViT-H", "ViT-bigG", "ViT-L", "practice"
    projector: nn.Module  # that output -> tokens [B, T, C]; float32, evaluation mode
    pairs: tuple[tuple[Tensor, Tensor], ...]  # to keys and to values [H*D, C] of each cross-attention in published order (down, up, mid); the file's precision
    vision: Any = None  # the tower that it brings along: a `clip_vision.Vision`; None: one of the published, which is loaded apart

    def __deepcopy__(self, memo) -> ImageAdapter:
        return self  # data: hosts that copy their models need no second one

    @cached_property
    def id(self) -> str:
        """The same weights give the same id in every process."""
        digest = hashlib.sha256(f"{self.kind} {self.family}".encode())
        for tensor in (*self.projector.state_dict().values(), *(t for pair in self.pairs for t in pair)):
            digest.update(fingerprint(tensor))
        return digest.hexdigest()[:16]

    def project(self, number: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """tokens [S, T, C] -> k, v [S, T, H*D] of a cross-attention, on the tokens' device, in their dtype; the weights are let go there after that."""
        k, v = self.pairs[number]
        return linear(tokens, k.to(tokens)), linear(tokens, v.to(tokens))

    def encode(self, said: Tensor, combine: str = "concatenate") -> Tensor:
        """What the tower says of B pictures (the output that `needs` names) -> tokens [1, T, C]; "batch": [B, T, C]; "concatenate": [1, B*T, C].

        combine: one of `image_prompt.COMBINE`. Float32, on the CPU.
        """
        if said.shape[-1] != self.width:
            found = TOWERS[self.needs].get(said.shape[-1], "another tower")
            raise ConcordError(f"{self.name} was trained with {self.clip} ({self.needs} {self.width} wide), but the connected CLIP Vision is {found} "
                               f"({said.shape[-1]} wide); load {self.clip}")
        tokens = self.projector(combine_embeddings(said.detach().to("cpu", torch.float32), combine))
        return tokens.flatten(0, 1)[None] if combine == "concatenate" else tokens

    def nothing(self, zero: Tensor | None = None) -> Tensor:
        """What the authors trained with in the place of a picture, as tokens [1, T, C]: an embedding that is zero;
        for kinds that read hidden states, `zero`: what the tower says of one picture that is zero after normalising."""
        if self.needs == EMBEDS:
            return self.encode(torch.zeros(1, self.width))
        if zero is None:
            raise ConcordError(f"{self.name} ({self.kind}) reads hidden states; for no picture it needs those of one that is zero after normalising")
        return self.encode(zero[:1])

    def check_model(self, cross_attentions: int, context: int, model_name: str) -> None:
        """Refuses a model that the adapter was not made for. context: channels of its text tokens."""
        if (cross_attentions, context) != (self.count, self.context):
            raise ConcordError(f"{self.name} is made for {NAMES[self.family]} ({self.count} cross-attentions that read tokens {self.context} wide), "
                               f"but {model_name} has {cross_attentions} that read {context}; choose an adapter that was made for this model")


def read_image_adapter(source: str | Path | Mapping[str, Any], name: str = "") -> ImageAdapter:
    """A published file (.safetensors, or a pickle that holds weights alone), or its tensors, as nested or as flat as files are."""
    name = name or (Path(source).name if isinstance(source, str | Path) else "the image adapter")
    parts = read_parts(source, name)
    kind = next((kind for tensor, kind in KINDS.items() if tensor in parts.image_proj), None)
    if kind is None:
        raise refused(name, f"its image_proj has {listed(parts.image_proj)}", "base, plus and full-face files have proj.weight, latents or proj.3.weight")
    pairs = keys_and_values(parts, name)
    context = pairs[0][0].shape[1]
    family = FAMILIES.get((len(pairs), context))
    if family is None:
        raise refused(name, f"it is for {len(pairs)} cross-attentions that read tokens {context} wide",
                      "; ".join(f"{NAMES[family]} has {count} that read {width}" for (count, width), family in FAMILIES.items()))
    try:
        projector = build_projector(kind, parts.image_proj, context)
    except (KeyError, IndexError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise refused(name, f"its image projection looks like {kind} but is not complete ({str(error).strip().splitlines()[-1].strip()[:160]})",
                      "the published file, downloaded to its end") from error
    needs = EMBEDS if kind == "base" else HIDDEN
    width = parts.image_proj[{"base": "proj.weight", "plus": "proj_in.weight", "full-face": "proj.0.weight"}[kind]].shape[1]
    tokens = {"base": lambda t: len(t["proj.bias"]) // context, "plus": lambda t: t["latents"].shape[1], "full-face": lambda t: PATCHES}[kind](parts.image_proj)
    if width not in TOWERS[needs]:
        raise refused(name, f"it reads {needs} {width} wide", ", ".join(f"{tower} has {w}" for w, tower in TOWERS[needs].items()))
    return ImageAdapter(name, kind, family, context, len(pairs), needs, width, tokens, TOWERS[needs][width], projector, pairs)


def keys_and_values(parts: Parts, name: str) -> tuple[tuple[Tensor, Tensor], ...]:
    """`1.to_k_ip.weight`, `1.to_v_ip.weight`, `3.to_k_ip.weight`, ...: odd numbers, because the even ones are self-attentions."""
    pairs, number = [], 1
    while all(f"{number}.to_{letter}_ip.weight" in parts.ip_adapter for letter in "kv"):
        k, v = (parts.ip_adapter[f"{number}.to_{letter}_ip.weight"] for letter in "kv")
        if k.ndim != 2 or k.shape != v.shape or (pairs and k.shape[1] != pairs[0][0].shape[1]):
            raise refused(name, f"layer {number} has keys {list(k.shape)} and values {list(v.shape)}", "equal shapes [channels, token channels]")
        pairs.append((k, v))
        number += 2
    if 2 * len(pairs) != len(parts.ip_adapter) or not pairs:
        raise refused(name, f"{2 * len(pairs)} of its {len(parts.ip_adapter)} layer tensors form pairs 1, 3, 5 ... without a gap ({listed(parts.ip_adapter)})",
                      "16 pairs of Stable Diffusion 1.x or 70 of XL, downloaded to the end")
    return tuple(pairs)


def refused(name: str, found: str, fits: str) -> ConcordError:
    return ConcordError(f"{name} is not an image adapter that can be used: {found}. What fits: {fits}.")


def listed(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)[:4]) + (" ..." if len(names) > 4 else "") if names else "nothing"


def fingerprint(tensor: Tensor) -> bytes:
    """Content in few bytes, as quick as memory is read: shape, sums of the bits as they lie there, and every so-many-th number."""
    flat = tensor.contiguous().flatten()
    bits = flat.view({1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.element_size()])
    some = bits[:: max(1, len(bits) // 997)]  # a prime number of them: they do not follow the rows
    return f"{tensor.dtype} {list(tensor.shape)} {bits.sum(dtype=torch.int64).item()} {some.tolist()}".encode()
