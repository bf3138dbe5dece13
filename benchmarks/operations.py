"""What a call asks of torch: kernels, looks at device values, and its heavy operations, which can be done again by themselves."""
from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

HEAVY = frozenset({"mm", "addmm", "bmm", "baddbmm", "linear", "matmul", "conv2d", "convolution", "scaled_dot_product_attention"})
ATTENTION = "_scaled_dot_product_"  # what fused attention is called begins with it, on every device
NO_KERNEL = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "alias", "lift_fresh", "_unsafe_view"})
LOOKS = frozenset({"_local_scalar_dense", "item", "nonzero", "is_nonzero", "equal", "masked_select", "_unique2", "unique_dim", "unique_consecutive"})
COPIES = frozenset({"_to_copy", "copy_"})  # a look at the device where they go from it to the CPU


class Blank(NamedTuple):
    """A tensor without its numbers."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def filled(self) -> Tensor:
        """Random numbers laid out in the same way, where rows were shared also here."""
        span = 1 + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True)) if 0 not in self.shape else 0
        numbers = torch.randn(span, device=self.device) if self.dtype.is_floating_point else torch.zeros(span, device=self.device)
        return numbers.to(self.dtype).as_strided(self.shape, self.strides)


class Operation(NamedTuple):
    """An operation of torch, and what it was given."""

    function: Any
    args: tuple
    kwargs: tuple[tuple[str, Any], ...]

    def again(self) -> Callable[[], object]:
        """The same on random tensors."""
        args, kwargs = filled(self.args), {name: filled(value) for name, value in self.kwargs}
        return lambda: self.function(*args, **kwargs)


@dataclass
class Asked:
    """Counts of one call."""

    kernels: int = 0
    looks: int = 0  # at device values: each waits for the device
    inside: int = 0  # those of them in the midst of the network
    heavy: Counter[Operation] = field(default_factory=Counter)
    light: Counter[Operation] = field(default_factory=Counter)  # the other kernels

    def beyond(self, other: Asked) -> Asked:
        """What this call asks more; counts below 0 where it asks less. Of operations only what is more."""
        return Asked(self.kernels - other.kernels, self.looks - other.looks, self.inside - other.inside, self.heavy - other.heavy, self.light - other.light)


class Recorder(TorchDispatchMode):
    """Inside the `with`, counts in `asked` what is done."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.in_network = Asked(), False

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if name in LOOKS or (name in COPIES and leaves_device(name, args, out)):
            self.asked.looks += 1
            self.asked.inside += self.in_network
            kernel = False
        else:
            kernel = not function.is_view and name not in NO_KERNEL
            self.asked.kernels += kernel
        heavy = name in HEAVY or name.startswith(ATTENTION)
        if heavy or kernel:
            (self.asked.heavy if heavy else self.asked.light)[Operation(function, blank(args), blank(tuple(sorted((kwargs or {}).items()))))] += 1
        return out


def record(call: Callable[[], object], network: nn.Module | None = None) -> Asked:
    """What one call asks, with the parts of composed operations: outside of inference mode they are seen one by one."""
    with torch.inference_mode(False), torch.no_grad(), Recorder() as recorder, inside(network, recorder), waits(recorder):
        call()
    return recorder.asked


@contextmanager
def inside(network: nn.Module | None, recorder: Recorder) -> Iterator[None]:
    """Tells the recorder where the network begins and ends."""
    tell = lambda there: lambda *_: setattr(recorder, "in_network", there)
    hooks = [network.register_forward_pre_hook(tell(True)), network.register_forward_hook(tell(False), always_call=True)] if network else []
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def waits(recorder: Recorder) -> Iterator[None]:
    """On a GPU, torch itself tells when it waits for it, also in operations that are no looks by their names."""
    if not torch.cuda.is_initialized():
        yield
        return
    waited = {True: 0, False: 0}
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: waited.update({recorder.in_network: waited[recorder.in_network] + ("synchroniz" in str(message))})
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)
    recorder.asked.looks = max(recorder.asked.looks, sum(waited.values()))
    recorder.asked.inside = max(recorder.asked.inside, waited[True])


def seconds(operations: Counter[Operation], clock: Callable[[Callable[[], object]], float]) -> float:
    """What these operations take by themselves, one after the other: of each kind the median, as often as it is asked."""
    total = 0.0
    with torch.inference_mode(False), torch.no_grad():
        for operation, count in operations.items():
            work = operation.again()
            work()
            first = clock(work)
            total += count * median([first, *(clock(work) for _ in range(8 if first < 0.02 else 2))])
    return total


def leaves_device(name: str, args: tuple, out: Any) -> bool:
    source = args[1] if name == "copy_" else args[0]
    return isinstance(out, Tensor) and isinstance(source, Tensor) and source.device.type != "cpu" and out.device.type == "cpu"


def blank(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Blank(tuple(value.shape), value.stride(), value.dtype, value.device)
    return tuple(map(blank, value)) if isinstance(value, tuple | list) else value


def filled(value: Any) -> Any:
    if isinstance(value, Blank):
        return value.filled()
    return tuple(map(filled, value)) if isinstance(value, tuple) else value
