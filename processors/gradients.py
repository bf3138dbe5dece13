"""Gradients through a network that is not trained: weights give none, take none, and may have been made in inference mode, as those of a host are."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import conv2d, linear
from torch.nn.grad import conv2d_input
from torch.nn.parameter import Parameter
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from .errors import ConcordError


class ThroughFrozen(TorchFunctionMode):
    """Inside the `with`, with gradients on and inference mode off: large weights are used without being kept for the way back, all other tensors that
    cannot be kept (autograd refuses those of inference mode) are copied where they are used. No module and no weight is changed."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func is linear and len(args) >= 2:
            return Linear.apply(keepable(args[0]), lasting(args[1]), keepable(args[2] if args[2:] else kwargs.get("bias")))
        if func in (conv2d, torch.conv2d) and len(args) >= 3 and not kwargs and not any(isinstance(how, str) for how in args):
            return Conv2d.apply(keepable(args[0]), lasting(args[1]), keepable(args[2]), *args[3:])
        if getattr(func, "__name__", "") == "__get__":  # a look at a shape or a device
            return func(*args, **kwargs)
        return func(*tree_map(keepable, args), **tree_map(keepable, kwargs))


def keepable(value: Any) -> Any:
    """The value; a copy of a tensor that autograd could not keep; a parameter without its wish for a gradient."""
    if isinstance(value, Tensor) and value.is_inference():
        return value.clone()
    return value.detach() if isinstance(value, Parameter) else value


def no_room(way_out: str) -> ConcordError:
    """What to raise where the memory does not reach."""
    return ConcordError("there is not enough memory for gradients through this model, which need about three times what drawing does; " + way_out)


def lasting(weight: Tensor) -> Tensor:
    """A weight that is the same on the way back: a parameter is; what a host cast for this one use may lie in memory that it uses again."""
    return weight if isinstance(weight, Parameter) else weight.clone()


class Linear(Function):
    """x [..., I], weight [O, I] -> [..., O]; the gradient goes to x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.weight = weight  # not saved by autograd, which would refuse a tensor of inference mode
        return linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple:
        with torch.no_grad():
            return slopes[0] @ ctx.weight, None, None


class Conv2d(Function):
    """x [R, I, h, w], weight [O, I, k, k] -> [R, O, h', w']; the gradient goes to x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *how: Any) -> Tensor:
        ctx.size, ctx.weight, ctx.how = x.shape, weight, how  # how: stride, padding, dilation, groups
        return conv2d(x, weight, bias, *how)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple:
        with torch.no_grad():
            return conv2d_input(ctx.size, ctx.weight, slopes[0], *ctx.how), None, None, *[None] * len(ctx.how)
