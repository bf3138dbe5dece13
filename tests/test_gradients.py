"""Gradients through frozen networks are autograd's own, whatever the mode in which the weights were made, and leave no trace."""
from __future__ import annotations

import pytest
import torch
from concord.processors.gradients import ThroughFrozen
from torch import nn

from .sampling_models import noise, unet


def slope(network, x, t, context, frozen: bool):
    asked = context.clone().requires_grad_()
    with torch.enable_grad():
        if frozen:
            with ThroughFrozen():
                out = network(x, t, asked).sample
        else:
            out = network(x, t, asked).sample
        return out.detach(), torch.autograd.grad(out.square().sum(), asked)[0]


@pytest.mark.parametrize("made_in_inference_mode", [False, True])
def test_the_gradient_is_autograds(made_in_inference_mode):
    expected = slope(unet().double(), *(args := (noise(2, 4, 6, 8).double(), 300, noise(2, 7, 64, seed=1).double())), frozen=False)
    with torch.inference_mode(made_in_inference_mode):
        network = unet().double()
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    made = slope(network, *args, frozen=True)
    assert torch.equal(made[0], expected[0]) and torch.allclose(made[1], expected[1], rtol=1e-9, atol=1e-12)
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    if made_in_inference_mode:
        with pytest.raises(RuntimeError, match="[Ii]nference tensors"):
            slope(network, *args, frozen=False)


@pytest.mark.parametrize("make", [lambda: nn.Linear(5, 3), lambda: nn.Linear(5, 3, bias=False), lambda: nn.Conv2d(5, 4, 3, 2, 1),
                                  lambda: nn.Conv2d(4, 6, 3, padding=2, dilation=2, groups=2, bias=False), lambda: nn.Conv2d(4, 4, 3, padding="same"),
                                  lambda: nn.GroupNorm(2, 4), lambda: nn.LayerNorm(6)])
def test_layers(make):
    layer = make().double()
    x = noise(2, getattr(layer, "in_channels", 4), 6, getattr(layer, "in_features", 6), seed=2).double().requires_grad_()
    expected = torch.autograd.grad(layer(x).square().sum(), x)[0]
    with ThroughFrozen():
        out = layer(x)
    assert torch.allclose(torch.autograd.grad(out.square().sum(), x)[0], expected, rtol=1e-12)


def test_a_weight_that_a_host_casts_for_one_use():
    """Its memory may be used for the next layer before the way back."""
    layer, buffer, x = nn.Linear(4, 4, bias=False).double(), torch.empty(4, 4, dtype=torch.float64), noise(3, 4).double().requires_grad_()
    expected = torch.autograd.grad(layer(x).sum(), x)[0]
    with ThroughFrozen():
        out = torch.nn.functional.linear(x, buffer.copy_(layer.weight.detach()))
        buffer.zero_()
    assert torch.equal(torch.autograd.grad(out.sum(), x)[0], expected)
