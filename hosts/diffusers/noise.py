"""Every random number of a run, drawn as ComfyUI draws it: the same seed gives the same start and the same steps."""
from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

StepNoise = Callable[[Tensor, Tensor], Tensor]  # (sigma, next sigma) -> unit noise, shaped as x


def start_noise(latent: Tensor, seed: int, batch_index: Sequence[int] | None = None) -> Tensor:
    """-> unit noise shaped as `latent`, drawn on the CPU.

    With `batch_index`, sample i gets the batch_index[i]-th draw of the seed: a sample taken out of a batch keeps its noise,
    and samples of equal index share theirs.
    """
    generator = _generator(seed)
    if batch_index is None:
        return torch.randn(latent.shape, generator=generator).to(latent.dtype)
    one = (1, *latent.shape[1:])
    draws = [torch.randn(one, generator=generator).to(latent.dtype) for _ in range(max(batch_index) + 1)]
    return torch.cat([draws[i] for i in batch_index])


def inpaint_noise(noise: Tensor, seed: int) -> Tensor:
    """-> noise for the kept part of a masked run under `ddim`, which does not reuse the start noise."""
    return torch.randn(noise.shape, generator=_generator(seed + 1)).to(noise)


def shared(noise: Tensor, givers: Sequence[int] | None) -> Tensor:
    """noise [B, C, h, w] where sample i gets that of sample givers[i]; None: everyone's own."""
    return noise if givers is None else noise[list(givers)]


def no_steps(x: Tensor, sigmas: Tensor, seed: int) -> StepNoise:
    """For samplers that add no noise."""
    return lambda sigma, sigma_next: torch.zeros_like(x)


def independent_steps(x: Tensor, sigmas: Tensor, seed: int) -> StepNoise:
    """Fresh noise at every step, drawn on the device of `x`."""
    # On the CPU the start noise came from this very generator: the next seed keeps the steps independent of it.
    generator = _generator(seed + 1 if x.device.type == "cpu" else seed, x.device)
    return lambda sigma, sigma_next: torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)


def brownian_steps(x: Tensor, sigmas: Tensor, seed: int) -> StepNoise:
    """Increments of one Brownian path over sigma, so that the noise hardly depends on the number of steps."""
    from torchsde import BrownianTree  # slow to import, and only this sampler needs it

    low, high = sigmas[sigmas > 0].min().cpu(), sigmas.max().cpu()
    tree = BrownianTree(low, torch.zeros_like(x, device="cpu"), high, entropy=seed)

    def increment(sigma: Tensor, sigma_next: Tensor) -> Tensor:
        t0, t1 = sorted((sigma.cpu().float(), sigma_next.cpu().float()))
        sign = 1 if sigma < sigma_next else -1  # the path is walked from high to low sigma
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its two ends are rounded, so that asking for them seems to ask for more
            return tree(t0, t1).to(x) * sign / (sigma_next - sigma).abs().sqrt()

    return increment


def _generator(seed: int, device: torch.device | str = "cpu") -> Generator:
    return Generator(device).manual_seed(seed % 2**64)
