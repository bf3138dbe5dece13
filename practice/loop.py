"""One training loop for every stage: cosine schedule, averaged weights, progress, checkpoints and resumption."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .muon import optimizers


@dataclass(frozen=True)
class Budget:
    """How long a stage trains: until `samples` are seen or `minutes` have passed, whichever comes first."""

    samples: int
    minutes: float = float("inf")
    batch: int = 32
    rate: float = 1e-3
    warmup: int = 100  # steps
    average: float = 0.998  # decay of the averaged weights


class Averaged:
    """Exponential moving average of a module's parameters: smoother weights than those of the last step."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, steps: int) -> None:
        decay = min(self.decay, (1 + steps) / (10 + steps))  # early on the average follows quickly
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)


def fit(
    name: str,
    module: nn.Module,
    loss: Callable[[int, int], Tensor],
    budget: Budget,
    folder: Path,
    resume: bool = False,
    on_save: Callable[[dict[str, Tensor]], None] | None = None,
    progress: Callable[[str], None] = lambda text: None,
    every: float = 120.0,
) -> dict[str, Tensor]:
    """Train the parameters of `module` that require gradients and return its averaged weights.

    loss(step, batch) draws a batch and returns its loss. A checkpoint is written to `folder` every `every` seconds and at the
    end; with `resume` the stage goes on from there. on_save receives the averaged weights at each checkpoint, progress a line of text.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    optims = optimizers(module, budget.rate)
    averaged = Averaged(module, budget.average)
    path, step, spent = folder / f"{name}.pt", 0, 0.0
    if resume and path.exists():
        saved = torch.load(path, map_location=parameters[0].device, weights_only=True)
        module.load_state_dict(saved["module"])
        for optim, state in zip(optims, saved["optimizers"], strict=True):
            optim.load_state_dict(state)
        averaged.state, step, spent = saved["averaged"], saved["step"], saved["spent"]

    start, written, recent = time.time() - spent, time.time(), None
    torch.manual_seed(step)
    while True:
        spent = time.time() - start
        done = min(1.0, max(step * budget.batch / budget.samples, spent / 60 / budget.minutes))
        finished = done >= 1
        if finished or time.time() - written > every:
            saved = {"module": module.state_dict(), "optimizers": [optim.state_dict() for optim in optims], "averaged": averaged.state}
            _write(path, {**saved, "step": step, "spent": spent})
            progress(f"{name}: {done:4.0%}  {step * budget.batch} samples  {spent / 60:.1f} min  loss {recent or 0:.4f}")
            if on_save:
                on_save(averaged.state)
            written = time.time()
        if finished:
            return averaged.state
        rate = budget.rate * min(1.0, (step + 1) / budget.warmup) * (0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(done * torch.pi)).item()))
        for optim in optims:
            for group in optim.param_groups:
                group["lr"] = rate
        value = loss(step, budget.batch)
        module.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optim in optims:
            optim.step()
        step += 1
        averaged.update(module, step)
        recent = value.item() if recent is None else 0.98 * recent + 0.02 * value.item()


def _write(path: Path, content: dict) -> None:
    """Write beside the file and rename, so that an interruption leaves the old checkpoint whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)
