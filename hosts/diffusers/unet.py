"""The attention sites of diffusers' `UNet2DConditionModel`, and our processor at those with active edits: installed for one call, then taken out."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...processors.edit import AttentionEdit, Order
from ...processors.errors import ConcordError
from ...processors.rows import Site, projection
from ...processors.run import Step, attention

PLAIN = (AttnProcessor, AttnProcessor2_0)  # what the model itself does
Place = tuple[Site, Any, int]  # our site, the host's module, how often the latent was halved before it


def sites(unet: Any) -> tuple[Place, ...]:
    """Every attention of the network, in execution order."""
    found: list[Place] = []
    for index, (stage, level, block) in enumerate(transformer_blocks(unet)):
        for kind, module in (("self", block.attn1), ("cross", block.attn2)):
            found.append((Site(kind, index, stage, module.heads, project=projection(module.heads, module.to_k, module.to_v), level=level), module, level))
    return tuple(found)


def transformer_blocks(unet: Any) -> Iterator[tuple[str, int, Any]]:
    """(stage, level, transformer block): level counts the halvings before it."""
    level, levels = 0, []
    for block in unet.down_blocks:
        levels.append(level)
        yield from (("down", level, transformer) for transformer in inside(block))
        level += getattr(block, "downsamplers", None) is not None
    yield from (("mid", level, transformer) for transformer in inside(unet.mid_block))
    for block, level in zip(unet.up_blocks, reversed(levels), strict=True):
        yield from (("up", level, transformer) for transformer in inside(block))


def inside(block: Any) -> Iterator[Any]:
    for layer in getattr(block, "attentions", None) or ():
        yield from layer.transformer_blocks


def grid(latent: tuple[int, int], level: int) -> tuple[int, int]:
    """The token grid after `level` halvings; odd sizes round up, as the stride-2 convolutions do."""
    return -(-latent[0] // 2**level), -(-latent[1] // 2**level)


@contextmanager
def editing(places: Sequence[Place], active: Sequence[AttentionEdit], step: Step, latent: tuple[int, int]) -> Iterator[None]:
    """Inside the `with`, the network does `active` edits. latent: (h, w) cells of this call."""
    standing: list[tuple[Any, Any]] = []
    try:
        for site, module, level in places:
            edits = tuple(edit for edit in active if edit.covers(site))
            if edits:
                standing.append((module, module.processor))
                module.set_processor(SiteProcessor(replace(site, grid=grid(latent, level)), edits, step, module.processor))
        yield
    finally:
        for module, processor in standing:
            module.set_processor(processor)


@dataclass(frozen=True, eq=False)
class SiteProcessor:
    """A diffusers attention processor: hidden_states [R, N, C] -> [R, N, C]."""

    site: Site
    edits: tuple[AttentionEdit, ...]
    step: Step
    standing: Any  # the processor in whose place this one stands

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Any = None, attention_mask: Tensor | None = None, *args, **kwargs) -> Tensor:
        if len(hidden_states) != len(self.step.rows):
            raise ConcordError(f"{self.site} sees {len(hidden_states)} rows, the call has {len(self.step.rows)}; "
                               "something changed the batch inside the network")
        text = encoder_hidden_states[0] if isinstance(encoder_hidden_states, tuple) else encoder_hidden_states  # adapters of diffusers append theirs
        context = hidden_states if text is None else text
        split = lambda t: t.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        q, k, v = split(attn.to_q(hidden_states)), split(attn.to_k(context)), split(attn.to_v(context))
        bias = None
        if attention_mask is not None:
            bias = attn.prepare_attention_mask(attention_mask, k.shape[-2], len(q)).unflatten(0, (len(q), -1)).to(q)
        out = attention(self.edits, self.site, self.step, q, k, v, fused, bias).transpose(1, 2).flatten(2)
        out = attn.to_out[1](attn.to_out[0](out))
        if not isinstance(self.standing, AttnProcessor2_0) and all(edit.order == Order.PROBES for edit in self.edits):
            return self.standing(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **kwargs)
        if not isinstance(self.standing, PLAIN):  # what another processor adds to plain attention, added to ours
            foreign = self.standing(attn, hidden_states, encoder_hidden_states, attention_mask, *args, **kwargs)
            out = out + foreign - AttnProcessor2_0()(attn, hidden_states, text, attention_mask)
        return out


def fused(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    return scaled_dot_product_attention(q, k, v, bias if bias is None else bias.to(q.dtype))
