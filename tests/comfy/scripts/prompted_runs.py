"""Image prompts over whole runs, against their naive reading; the same checks serve both hosts.

Four pictures with a prompt, a negative and a mask each, a curve, a window of the run, negatives of another length and none, layers of their own.
"""
from __future__ import annotations

from collections.abc import Callable

import torch
from concord.processors.attention.image_prompt import image_prompt
from concord.processors.edit import Edit
from concord.processors.prediction.multidiffusion import multidiffusion
from concord.processors.schedule import Curve
from torch import Tensor

HEIGHT, WIDTH, SIZE, STARTS = 8, 16, 8, (0, 4, 8)  # of the canvas; windows by hand
ALL = slice(None)
Draw = Callable[[tuple[Edit, ...], Tensor, int], Tensor]  # edits, what the run begins with [B, 4, h, w], steps -> latents


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def prompts(width: int, some: slice = ALL, inside: slice = ALL) -> tuple[Edit, ...]:
    """For `some` of four pictures, on the columns `inside` of the canvas. width: of the model's tokens; it has 16 cross-attentions."""
    masks = noise(4, 8 * HEIGHT, 8 * WIDTH, seed=1).sigmoid() * torch.tensor([1.0, 0.0, 0.6, 0.9])[:, None, None]
    shown = slice(8 * (inside.start or 0), 8 * (inside.stop or WIDTH))
    each = image_prompt(noise(4, 4, width, seed=2)[some], noise(4, 4, width, seed=3)[some], weight=0.8, mask=masks[some, :, shown],
                        curve=Curve.parse("0:1, 0.7:0.3, 1:-0.2"), count=16)
    longer = image_prompt(noise(1, 6, width, seed=4), noise(1, 5, width, seed=5), weight=0.5,
                          weight_type="style and composition", composition=0.4, value_scaling="K+V", window=(0.1, 0.9), count=16)
    one_sided = image_prompt(noise(4, 3, width, seed=6)[some], None, weight=-0.4, mask=masks[:1, :, shown], layers="2:1, mid_block:0.5", count=16)
    pushing = image_prompt(noise(1, 4, width, seed=7), noise(1, 4, width, seed=8), weight=0.6, weight_type="composition precise", count=16)
    return (*each, *longer, *one_sided, *pushing)


def far(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def each_picture_is_as_in_a_run_of_its_own(width: int, draw: Draw, apart: Draw) -> None:
    """Also where positive and negative run in calls of their own."""
    x = noise(4, 4, HEIGHT, WIDTH, seed=9)
    together, split, plain = draw(prompts(width), x, 3), apart(prompts(width), x, 3), draw((), x, 3)
    assert far(split, together) < 1e-4
    for i in range(4):
        one = slice(i, i + 1)
        assert far(together[one], draw(prompts(width, one), x[one], 3)) < 1e-4, i
        assert far(together[one], plain[one]) > 1e-2 and far(together[one], draw(prompts(width, slice((i + 1) % 4, (i + 1) % 4 + 1)), x[one], 3)) > 1e-3, i


def windows_are_as_if_cut_by_hand(width: int, draw: Draw, apart: Draw) -> None:
    """Masks are cut with their windows, and every picture keeps its own prompt in each."""
    x = noise(4, 4, HEIGHT, WIDTH, seed=10)
    total, count = torch.zeros_like(x), torch.zeros(1, 1, 1, WIDTH)
    for start in STARTS:
        inside = slice(start, start + SIZE)
        total[..., inside] += draw(prompts(width, inside=inside), x[..., inside].contiguous(), 1)
        count[..., inside] += 1
    windows = (*prompts(width), *multidiffusion((SIZE, SIZE), (4, 4)))
    for way in (draw, apart):
        assert far(way(windows, x, 1), total / count) < 1e-4
    assert far(draw(prompts(width), x, 1), total / count) > 1e-3


def in_comfyui() -> tuple[int, Draw, Draw]:
    import comfy.samplers
    import hostkit as kit
    from concord.hosts.comfy import host

    model = kit.unet()

    def draw(edits: tuple[Edit, ...], x: Tensor, steps: int) -> Tensor:
        patcher = host.attach(model, *edits)
        sigmas = torch.tensor([8.0, 3.0, 1.0][:steps] + [0.0])
        return comfy.samplers.sample(patcher, x, kit.conditioning(1), kit.conditioning(2), 4.0, "cpu", comfy.samplers.sampler_object("euler"), sigmas,
                                     patcher.model_options, torch.zeros_like(x))

    def apart(edits: tuple[Edit, ...], x: Tensor, steps: int) -> Tensor:
        model.model.memory_required = lambda *args, **kwargs: 1e18  # the host finds room for one entry a call
        try:
            return draw(edits, x, steps)
        finally:
            del model.model.memory_required

    return 64, draw, apart


def check_each_picture_is_as_in_a_run_of_its_own():
    each_picture_is_as_in_a_run_of_its_own(*in_comfyui())


def check_windows_are_as_if_cut_by_hand():
    windows_are_as_if_cut_by_hand(*in_comfyui())
