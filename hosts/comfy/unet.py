"""The attention sites of ComfyUI's UNets, and our function at those with active edits: installed for one model call, in a copy of its options."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from comfy.ldm.modules.attention import SpatialTransformer, optimized_attention
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, Upsample
from torch import Tensor

from ...processors.edit import AttentionEdit, Order, Stage
from ...processors.errors import ConcordError
from ...processors.features.group_norm import norms_shared
from ...processors.looking import Enough
from ...processors.rows import Site, projection
from ...processors.run import Step, attention, told
from .session import PROGRAM, read_step

STAGES = {"input": "down", "middle": "mid", "output": "up"}
POOLED = 1280  # how wide SDXL's pooled texts are
SLOTS = {"attn1": "self", "attn2": "cross"}
Key = tuple[str, int, int]


def sites(unet: Any) -> tuple[tuple[Key, str, Site], ...]:
    """(the host's key, its slot, our site) of every attention, in execution order."""
    found = []
    for index, (key, block, level) in enumerate(transformer_blocks(unet)):
        for slot, kind in SLOTS.items():
            module = getattr(block, slot)
            project = projection(module.heads, module.to_k, module.to_v)
            found.append((key, slot, Site(kind, index, STAGES[key[0]], module.heads, project=project, level=level)))
    return tuple(found)


def transformer_blocks(unet: Any) -> Iterator[tuple[Key, Any, int]]:
    """(the host's key, transformer block, how often the latent was halved before it)"""
    level = 0
    for stage, blocks in (("input", unet.input_blocks), ("middle", [unet.middle_block]), ("output", unet.output_blocks)):
        for number, block in enumerate(blocks or ()):
            for layer in block or ():
                if isinstance(layer, SpatialTransformer):
                    for place, transformer in enumerate(layer.transformer_blocks):
                        yield (stage, number, place), transformer, level
                level += isinstance(layer, Downsample) - isinstance(layer, Upsample)


def diffusion_model(executor, x, timesteps, context=None, y=None, control=None, transformer_options=None, **kwargs):
    """The host's wrapper around the network: one step, one look at the program, then the call itself."""
    options = transformer_options or {}
    if PROGRAM in options:
        step = read_step(x, options)
        context, y = tell(step, context, y)
        active = step.run.program.at(Stage.ATTENTION, step)
        if active:
            unet = executor.class_obj
            options = install(step.once(("sites", id(unet)), lambda: sites(unet)), active, step, options)
        try:
            with norms_shared(step):
                return executor(x, timesteps, context, y, control, options, **kwargs)
        except Enough:
            return x.new_zeros(len(x), executor.class_obj.out_channels, *x.shape[2:])
    return executor(x, timesteps, context, y, control, options, **kwargs)


def tell(step: Step, context: Tensor | None, y: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The texts of this call, with all edits done. y [R, A] of SDXL: pooled texts, then sizes."""
    if context is None or not step.run.program.at(Stage.CONDITIONS, step):
        return context, y
    text, pooled = told(step, context, y if y is None else y[:, :POOLED])
    return text, y if y is None or pooled is None else torch.cat([pooled, y[:, POOLED:]], 1)


def install(places: Sequence[tuple[Key, str, Site]], active: Sequence[AttentionEdit], step: Step, options: dict) -> dict:
    """The options of this call with our function at every site that an active edit covers, around whatever stands there."""
    table = options.get("patches_replace", {})
    ours = {slot: dict(table.get(slot, {})) for slot in SLOTS}
    for key, slot, site in places:
        edits = tuple(edit for edit in active if edit.covers(site))
        if edits:
            standing = ours[slot].get(key) or ours[slot].get(key[:2])
            ours[slot][key] = replacement(site, edits, step, standing)
    return {**options, "patches_replace": {**table, **ours}}


def replacement(site: Site, edits: tuple[AttentionEdit, ...], step: Step, standing: Callable | None) -> Callable:
    """A replace function of the host: q [R, N, H*D], k, v [R, M, H*D] -> [R, N, H*D]."""

    stands = standing or (untouched if all(edit.order == Order.PROBES for edit in edits) else None)

    def replaced(q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        heads, here = extra["n_heads"], replace(site, grid=tuple(extra["activations_shape"][-2:]))
        check_tokens(q, edits, here, step)
        split = lambda t: t.unflatten(-1, (heads, -1)).transpose(1, 2)
        foreign = (lambda: split(stands(q, k, v, extra))) if stands else None
        out = attention(edits, here, step, split(q), split(k), split(v), fused(heads, extra), foreign=foreign)
        return out.transpose(1, 2).flatten(2)

    return replaced


def check_tokens(q: Tensor, edits: Sequence[AttentionEdit], site: Site, step: Step) -> None:
    """Refuses queries [R, N, C] of which other nodes' patches have made something that these edits could not read."""
    whose = lambda edits: " and ".join(sorted({edit.technique for edit in edits}))
    if len(q) != len(step.rows):
        raise ConcordError(f"another node changed the batch from {len(step.rows)} to {len(q)} rows inside {site}, where {whose(edits)} acts; nodes that do so "
                           "there (HyperTile, attention couple) do not go together with it: remove one of the two")
    whole = site.grid[0] * site.grid[1]
    if q.shape[1] != whole and (placed := [edit for edit in edits if edit.placed]):
        raise ConcordError(f"another node merged the {whole} tokens of {site} into {q.shape[1]}, where {whose(placed)} has to know the place of each; nodes "
                           "that do so (ToMe) do not go together with it: remove one of the two")


def untouched(q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
    """What the host computes where no function stands, to the bit."""
    return optimized_attention(q, k, v, extra["n_heads"], attn_precision=extra.get("attn_precision"), transformer_options=extra)


def fused(heads: int, extra: dict) -> Callable:
    """The host's own kernel, with every override that other packs put on it."""

    def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        if bias is not None:
            bias = bias.to(q.dtype).expand(len(q), bias.shape[1], q.shape[-2], k.shape[-2])
        out = optimized_attention(q, k, v, heads, mask=bias, attn_precision=extra.get("attn_precision"), skip_reshape=True, skip_output_reshape=True,
                                  transformer_options=extra)
        return out.clone() if "optimized_attention_override" in extra else out  # an override may keep what it returns; ours is written to

    return attend
