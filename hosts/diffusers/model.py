"""The handles that travel along the wires of a headless workflow: MODEL, and what CLIP and VAE must be able to do."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, device, dtype

from ...processors.edit import Program
from .schedule import DiscreteSchedule

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel


@dataclass(frozen=True)
class LatentFormat:
    """How a family scales its latents: what LATENT holds (the VAE's units) times `scale` is what the network sees."""

    channels: int = 4
    scale: float = 0.18215  # SDXL: 0.13025, practice: 1.0

    def process_in(self, latent: Tensor) -> Tensor:
        return latent * self.scale

    def process_out(self, latent: Tensor) -> Tensor:
        return latent / self.scale


@dataclass(frozen=True, eq=False)
class Model:
    """A denoising network with all that sampling needs to know; `dataclasses.replace` makes variants, which share the network.

    `rows_per_call` bounds the rows of one network call (None: no bound); a smaller bound needs less memory and gives the same picture.
    """

    network: UNet2DConditionModel  # eval mode, never changed
    family: str = "sd1"  # "sd1" | "sdxl"
    sampling: DiscreteSchedule = field(default_factory=DiscreteSchedule.scaled_linear)
    latent: LatentFormat = LatentFormat()
    program: Program = field(default_factory=Program)
    rows_per_call: int | None = None

    @property
    def dtype(self) -> dtype:
        return self.network.dtype

    @property
    def device(self) -> device:
        return self.network.device


class Clip(Protocol):
    """A text encoder with its tokenizer."""

    def tokenize(self, text: str) -> Any: ...

    def encode(self, tokens: Any) -> tuple[Tensor, Tensor | None]:
        """-> tokens [1, 77n, C], pooled [1, P] where the family has one."""
        ...


class Vae(Protocol):
    """An autoencoder, eight pixels a latent cell; images `[B, y, x, 3]` 0..1, latents `[B, 4, y/8, x/8]` in the VAE's own units."""

    def encode(self, image: Tensor) -> Tensor: ...

    def decode(self, latent: Tensor) -> Tensor: ...
