"""The naive truth inside a whole UNet in float64: at every site stands what writes the probabilities out."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from concord.hosts.diffusers.unet import grid, sites
from concord.processors.rows import Site
from concord.tests import sampling_models
from concord.tests.engine.table import Technique, table
from concord.tests.engine.toy import At
from torch import Tensor

TEXT = 64  # channels of a prompt


@cache
def unet(sdxl: bool) -> Any:
    return sampling_models.unet(sdxl=sdxl).double()


@cache
def techniques() -> Mapping[str, Technique]:
    return table(TEXT)


@dataclass(frozen=True)
class WrittenOut:
    """In the place of a site's processor."""

    site: Site
    at: At

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, *_, **__) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (t.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for t in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)))
        return attn.to_out[0](self.at(self.site, q, k, v).transpose(1, 2).flatten(2))


@contextmanager
def written_out(at: At, latent: tuple[int, int], sdxl: bool = False) -> Iterator[None]:
    """latent: (h, w) cells of this call."""
    standing = [(module, module.processor) for _, module, _ in sites(unet(sdxl))]
    for site, module, level in sites(unet(sdxl)):
        module.set_processor(WrittenOut(replace(site, grid=grid(latent, level)), at))
    try:
        yield
    finally:
        for module, processor in standing:
            module.set_processor(processor)
