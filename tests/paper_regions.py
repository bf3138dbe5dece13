"""MultiDiffusion's region-based generation written out, section 5.2: DDIM in the papers' own variables, every step of every window averaged by the masks."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from types import SimpleNamespace

import torch
from torch import Tensor, nn

Window = tuple[int, int, int, int]  # y0, y1, x0, x1


class PromptedConv(nn.Module):
    """A stand-in for a UNet: what it predicts depends on the place, on the level and on the prompt. Float64, so that rounding hides nothing."""

    config = SimpleNamespace(cross_attention_dim=64)
    down_blocks = up_blocks = ()
    mid_block = None
    dtype, device = torch.float64, torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1).double()
        generator = torch.Generator().manual_seed(0)
        for weight in self.conv.parameters():
            weight.data = 0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)

    def forward(self, x: Tensor, t: Tensor, encoder_hidden_states: Tensor, **others) -> tuple[Tensor]:
        """x [R, 4, h, w], t [R], texts [R, T, C]"""
        said = encoder_hidden_states.mean((1, 2)).view(-1, 1, 1, 1)
        return ((self.conv(x) * (1 + said) + 0.1 * said).tanh() * (1 + t.view(-1, 1, 1, 1) / 2000),)


def paper(network: PromptedConv, noise: Tensor, levels: Sequence[tuple[float, float]], windows: Sequence[Window], masks: Tensor, prompts: Sequence[Tensor],
          negatives: Sequence[Tensor], cfg: float, bootstrapped: int, background: Callable[[int, int, Window], Tensor]) -> Tensor:
    """noise [1, 4, H, W]; levels: (timestep, alpha) of each step, then of the end; masks [P, H, W], the first is the background's; prompts, negatives
    [1, T, C] each; background(step, region, window) -> [1, 4, h | 1, w | 1] clean latents."""
    x = noise
    for step, ((t, alpha), (_, alpha_next)) in enumerate(zip(levels[:-1], levels[1:], strict=True)):
        value, count = torch.zeros_like(x), torch.zeros_like(x)
        for y0, y1, x0, x1 in windows:
            crop = lambda t, at=(slice(y0, y1), slice(x0, x1)): t[..., at[0], at[1]]
            for region, mask in enumerate(masks):
                seen, inside = crop(x), crop(mask)
                if region and step < bootstrapped:
                    behind = sqrt(alpha) * background(step, region, (y0, y1, x0, x1)) + sqrt(1 - alpha) * crop(noise)
                    seen = seen * inside + behind * (1 - inside)
                when = torch.tensor([t], dtype=x.dtype)
                without, said = (network(seen, when, text)[0] for text in (negatives[region], prompts[region]))
                eps = without + cfg * (said - without)
                clean = (seen - sqrt(1 - alpha) * eps) / sqrt(alpha)
                crop(value).add_((sqrt(alpha_next) * clean + sqrt(1 - alpha_next) * eps) * inside)
                crop(count).add_(inside)
        x = torch.where(count > 0, value / count, x)
    return x
